"""What the dashboard says of the API, the live views and the models is what the rest of the project says."""

from __future__ import annotations

import re
from typing import Any

from cloud.catalog import models
from cloud.printing import views
from shared_protocol import status
from tools import dashboard

SOURCE = dashboard.FOLDER / "src"


def interface(name: str) -> dict[str, str]:
    """Fields and types of an interface in live/types.ts."""
    text = (SOURCE / "live" / "types.ts").read_text()
    found = re.search(rf"export interface {name}[^{{]*{{\n(.*?)\n}}", text, re.DOTALL)
    assert found, name
    return dict(re.findall(r"^  (\w+)\??: (.+?);$", found[1], re.MULTILINE))


def union(name: str) -> set[str]:
    """The words of a union type in live/types.ts."""
    text = (SOURCE / "live" / "types.ts").read_text()
    found = re.search(rf"export type {name} =(.*?);", text, re.DOTALL)
    assert found, name
    return set(re.findall(r'"(\w+)"', found[1]))


def test_status_fields_are_those_of_the_protocol() -> None:
    assert set(interface("PrinterStatus")) == set(status.NAMES)
    assert union("LinkState") == set(status.LINKS)
    assert union("PrinterState") == set(status.STATES)


class _AnyRow(dict[str, Any]):
    """A row that has every column, empty."""

    def __missing__(self, name: str) -> Any:
        return None


def test_job_fields_are_those_of_the_views() -> None:
    view = views.job_view(_AnyRow())
    assert set(interface("JobView")) <= set(view)
    assert set(interface("PrinterJob")) == set(views.card_job(view))


def test_models_are_those_of_the_catalog() -> None:
    text = (SOURCE / "domain" / "models.ts").read_text()
    known = {code or quoted: name for quoted, code, name in re.findall(r'^  (?:"([^"]+)"|(\w+)): "(.*)",$', text, re.M)}
    assert known == {model.code: model.name for model in models.MODELS}


def test_types_are_those_of_the_api() -> None:
    dashboard.types(only_check=True)
