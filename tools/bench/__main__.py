"""The command line: run benchmarks one after the other, print a table, write JSON."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tools.bench import machine
from tools.bench.figures import Report
from tools.bench.terms import Terms
from tools.hub import HEAP

BENCHES = ("latency", "cost", "tunnel", "stalled", "restart", "hub_loop", "memory", "free_to_start", "api", "store")
LONG = ("soak",)
"""Only when asked for by name."""
OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench.json"


async def run(name: str, *, quick: bool = False, heap: str = HEAP, minutes: float = 30.0) -> Report:
    """Run one benchmark in a folder of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"printfarm-bench-{name}-") as folder:
        terms = Terms(Path(folder), quick, heap, minutes)
        report: Report = await importlib.import_module(f"tools.bench.{name}").run(terms)
    return report


def main() -> int:
    """0 when every benchmark yielded figures, whether or not they reach their aims; 1 when one broke."""
    options = _options()
    # Ended politely, everything that was started ends too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    about = machine.describe()
    print(f"{about['cpu']}, {about['cores']} cores, Python {about['python']}, load {about['load'][0]}\n", flush=True)
    reports: list[Report] = []
    broken: list[str] = []
    for name in options.names or BENCHES:
        began = time.monotonic()
        try:
            report = asyncio.run(run(name, quick=options.quick, heap=options.heap, minutes=options.minutes))
        except Exception:
            traceback.print_exc()
            broken.append(name)
            continue
        reports.append(report)
        print(report.as_markdown(), flush=True)
        print(f"({name} took {time.monotonic() - began:.0f} s)\n", file=sys.stderr, flush=True)
    _write(options.output, about, reports, quick=options.quick, heap=options.heap)
    missed = sum(len(report.missed) for report in reports)
    print(f"{len(reports)} benchmarks, {missed} figures beyond their aim; JSON in {options.output}", file=sys.stderr)
    if broken:
        print(f"broken: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="Benchmarks of hub and cloud.")
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"which ones: {', '.join(BENCHES)} (default: all), soak"
    )
    parser.add_argument("--quick", action="store_true", help="seconds each: whether it works, not how well")
    parser.add_argument("--minutes", type=float, default=30.0, help="length of soak (default: %(default)g)")
    parser.add_argument("--heap", default=HEAP, help="heap of each hub (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the JSON goes")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHES) - set(LONG))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    return options


def _write(path: Path, about: dict[str, object], reports: list[Report], **terms: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": about, **terms, "reports": [report.as_json() for report in reports]}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
