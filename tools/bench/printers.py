"""The printers of the benchmarks: a mixed farm, with beats as little in step as those of real ones."""

from __future__ import annotations

from typing import Any

from tools.virtual_printer.spec import PrinterSpec, TraySpec

MIX = ("P1S", "A1", "X1C", "P1P", "A1 mini", "P2S")


def mixed(count: int, **changes: Any) -> list[PrinterSpec]:
    """`count` printers of six models in turn, each with one AMS; their beats are spread over the second."""
    return [
        PrinterSpec(
            model=MIX[number % len(MIX)],
            name=f"Printer {number + 1}",
            trays=[TraySpec("PLA", "1F8B4C", remain=64), TraySpec("PETG", "F5F5F5"), TraySpec("PLA", "101014"), None],
            report_phase=number / count,
            **changes,
        )
        for number in range(count)
    ]
