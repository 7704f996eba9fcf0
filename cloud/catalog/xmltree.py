"""A small XML reader for documents from strangers: expat, without DTDs, bounded in depth and count."""

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from cloud.catalog.archive import ThreeMFError

_MAX_DEPTH: Final = 32
_MAX_ELEMENTS: Final = 100_000


@dataclass(slots=True)
class Element:
    """One element: its attributes and child elements. Text is not kept; the slicers write none."""

    name: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)

    def all(self, name: str) -> list["Element"]:
        """The direct children of this name, in document order."""
        return [child for child in self.children if child.name == name]


class _Builder:
    def __init__(self, member: str) -> None:
        self._member = member
        self._count = 0
        self.root = Element("", {})
        self._open = [self.root]

    def refuse(self, why: str) -> ThreeMFError:
        return ThreeMFError("bad_xml", f"{self._member} {why}.")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MAX_ELEMENTS or len(self._open) > _MAX_DEPTH:
            raise self.refuse("is far larger than a slicer writes it")
        element = Element(name, attributes)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def doctype(self, *_: object) -> None:
        # Entities can only be declared in a DTD: without one neither expansion nor external fetches exist.
        raise self.refuse("declares entities, which is not allowed")


def parse_xml(member: str, data: bytes) -> Element:
    """The document element. Raises ThreeMFError("bad_xml") for anything that is not plain, small XML."""
    builder = _Builder(member)
    # The encoding is fixed so that a declared one cannot select a codec; slicers write UTF-8.
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.EntityDeclHandler = builder.doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise builder.refuse("is damaged") from error
    return builder.root.children[0]
