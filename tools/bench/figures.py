"""What a benchmark yields: figures with aims, put into a table for people and into JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One number. `bare` is the same measured without the product in the same run; `most` / `least` is the aim."""

    what: str
    value: float
    unit: str
    bare: float | None = None
    most: float | None = None
    least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the aim is reached; None when there is none."""
        if self.most is None and self.least is None:
            return None
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def ratio(self) -> float | None:
        """Measured divided by bare."""
        return self.value / self.bare if self.bare else None


@dataclass
class Report:
    """The outcome of one benchmark. `bounds` says what the figures do not tell."""

    bench: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    bounds: list[str] = field(default_factory=list)

    def add(
        self,
        what: str,
        value: float,
        unit: str,
        *,
        bare: float | None = None,
        most: float | None = None,
        least: float | None = None,
    ) -> None:
        """Append a figure."""
        self.figures.append(Figure(what, value, unit, bare, most, least))

    def add_times(
        self,
        what: str,
        seconds: Sequence[float],
        *,
        bare: Sequence[float] = (),
        most: tuple[float, float] | None = None,
    ) -> None:
        """Median and 99th percentile of durations, in ms; `most` are the aims of both."""
        for index, share in enumerate((50, 99)):
            self.add(
                f"{what}, p{share} (n={len(seconds)})",
                percentile(seconds, share) * 1000,
                "ms",
                bare=percentile(bare, share) * 1000 if bare else None,
                most=most[index] if most else None,
            )

    @property
    def missed(self) -> list[Figure]:
        """Figures beyond their aim."""
        return [figure for figure in self.figures if figure.met is False]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        figures = [asdict(figure) | {"met": figure.met, "ratio": figure.ratio} for figure in self.figures]
        return {"bench": self.bench, "title": self.title, "figures": figures, "bounds": self.bounds}

    def as_markdown(self) -> str:
        """The report as a section of a markdown page."""
        lines = [
            f"### {self.bench}: {self.title}",
            "",
            "| | measured | bare | ratio | aim | |",
            "| --- | ---: | ---: | ---: | ---: | --- |",
            *(_row(figure) for figure in self.figures),
            "",
            *(f"- {sentence}" for sentence in self.bounds),
        ]
        return "\n".join(lines) + "\n"


def _row(figure: Figure) -> str:
    bare = f"{_number(figure.bare)} {figure.unit}" if figure.bare is not None else ""
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
    aim = ""
    if figure.most is not None:
        aim = f"≤ {_number(figure.most)} {figure.unit}"
    elif figure.least is not None:
        aim = f"≥ {_number(figure.least)} {figure.unit}"
    verdict = {True: "met", False: "**missed**", None: ""}[figure.met]
    return f"| {figure.what} | {_number(figure.value)} {figure.unit} | {bare} | {ratio} | {aim} | {verdict} |"


def _number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` percent lie (nearest rank). Raises ValueError when there are none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was measured")
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return percentile(values, 50)
