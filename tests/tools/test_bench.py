"""Every benchmark runs to its end in its smallest form, yields the figures it promises, and leaves nothing behind."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tools.bench.__main__ import BENCHES, run
from tools.bench.figures import Figure, Report, percentile
from tools.bench.hub_loop import black_hole

PROMISED = {
    "latency": ("report → browser, p50", "report → browser, p99", "click → printer, p99", "click → answer, p50"),
    "cost": ("cloud, processor", "a hub, resident", "to the browser, a printer"),
    "tunnel": ("storage not throttled: data, tunnel to direct", "hubs at once: the slowest to one alone"),
    "stalled": ("longest gap at the others", "growth of the cloud's memory", "newest state of every printer"),
    "restart": ("kill → page /", "kill → /api/printers/", "live in a browser"),
    "hub_loop": ("6 healthy: receipt", "3 flood (20 full reports a second each): receipt", "carried"),
    "memory": ("0 printers, heap that lives", "2 printers, resident", "heap that lives, per printer"),
    "api": ("SQLite: read one", "PostgreSQL: create"),
    "store": ("SQLite: point read, store to driver", "PostgreSQL: batched write, store to driver"),
    "free_to_start": ("without the upload, p50", "with the upload, p99"),
}


@pytest.fixture
def nothing_left_behind() -> Iterator[None]:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert not left, f"still running: {left}"


@pytest.mark.parametrize("name", BENCHES)
async def test_a_benchmark_yields_what_it_promises(name: str, nothing_left_behind: None) -> None:
    report = await run(name, quick=True)
    assert report.bench == name
    assert report.bounds, "a figure without its bounds says nothing"
    for promised in PROMISED[name]:
        found = [figure for figure in report.figures if promised in figure.what]
        assert found, f"{promised!r} is not among {[figure.what for figure in report.figures]}"
        # No growth of memory and next to no processor time are fine; a duration of nothing would not be.
        assert all(figure.value > 0 for figure in found if figure.unit not in ("MiB", "%")), found
    assert any(figure.met is not None for figure in report.figures) or name in ("cost", "api")
    assert report.title in report.as_markdown()
    assert json.loads(json.dumps(report.as_json()))["figures"][0]["unit"]


def test_every_benchmark_is_tested() -> None:
    assert set(PROMISED) == set(BENCHES)


def test_the_command_line_refuses_unknown_names_and_breaks_loudly(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"

    def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tools.bench", *arguments, "--output", str(output)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    unknown = bench("no_such_bench")
    assert unknown.returncode == 2
    assert "no_such_bench" in unknown.stderr
    # No hub lives in such a heap: the benchmark must say so, not yield figures.
    broken = bench("memory", "--quick", "--heap", "16k")
    assert broken.returncode == 1
    assert "broken: memory" in broken.stderr
    assert json.loads(output.read_text())["reports"] == []


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile(range(1, 101), 99) == 99
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 50)


@pytest.mark.parametrize(
    ("limits", "met"),
    [({}, None), ({"most": 5.0}, True), ({"most": 4.9}, False), ({"least": 5.0}, True), ({"least": 5.1}, False)],
)
def test_an_aim_is_met_or_missed(limits: dict[str, Any], met: bool | None) -> None:
    figure = Figure("x", 5.0, "ms", **limits)
    assert figure.met is met
    report = Report("b", "title", [figure], ["bound"])
    assert len(report.missed) == (met is False)
    assert ("**missed**" in report.as_markdown()) == (met is False)


def test_the_ratio_is_measured_over_bare() -> None:
    assert Figure("x", 6.0, "ms", bare=2.0).ratio == 3.0
    assert Figure("x", 6.0, "ms").ratio is None
    assert Figure("x", 6.0, "ms", bare=0.0).ratio is None


def test_nobody_answers_at_a_black_hole() -> None:
    with black_hole() as port, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as caller:
        caller.settimeout(0.3)
        with pytest.raises(TimeoutError):
            caller.connect(("127.0.0.1", port))
