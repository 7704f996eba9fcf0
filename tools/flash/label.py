"""The label of a hub: its id, the code that pairs it and the code that joins its access point; as SVG, PNG and PDF.

A label is drawn once, as rectangles and lines of text in millimetres, and put out three ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import segno
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

from shared_protocol import pairing
from tools.flash.identity import Identity

WIDTH_MM, HEIGHT_MM = 62.0, 32.0
"""A common roll of labels is 62 mm wide."""

DOTS_PER_MM = 12
"""About 300 dpi."""

QUIET = 4
"""Empty modules around a code, as its standard asks."""

PAGE_MM = (210.0, 297.0)
MARGIN_MM, GAP_MM = 10.0, 2.0


@dataclass(frozen=True)
class Box:
    """A black rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Text:
    """One line, its left end on the base line at (x, y), `size` high."""

    x: float
    y: float
    size: float
    text: str


@dataclass(frozen=True)
class Label:
    """What to draw, on WIDTH_MM x HEIGHT_MM."""

    boxes: tuple[Box, ...]
    texts: tuple[Text, ...]


def pairing_url(identity: Identity, host: str) -> str:
    """What the first code holds. The secret stands in the fragment, which no server sees."""
    return f"https://{host}/p#{pairing.base32(identity.secret)}"


def wifi_code(identity: Identity) -> str:
    """What the second code holds: how a phone joins the hub's own access point."""
    return f"WIFI:T:WPA;S:{ssid(identity)};P:{pairing.passphrase_of(identity.secret)};;"


def ssid(identity: Identity) -> str:
    """The name of the hub's access point."""
    return f"PrintFarm-{identity.device[:4]}"


def design(identity: Identity, host: str) -> Label:
    """The label of a device for the cloud at `host`."""
    pair, join = _modules(pairing_url(identity, host)), _modules(wifi_code(identity))
    boxes = [*_code(pair, 0.5, 0.5, 27.0), *_code(join, 37.5, 1.0, 20.0)]
    texts = (
        Text(1.5, 30.0, 2.8, f"PrintFarm  {identity.shown}"),
        Text(34.5, 23.5, 1.9, "No Bluetooth? Join this Wi-Fi,"),
        Text(34.5, 26.0, 1.9, "then open http://192.168.4.1"),
        Text(34.5, 30.0, 1.9, ssid(identity)),
    )
    return Label(tuple(boxes), texts)


def svg(label: Label) -> str:
    """The label as an SVG document of its true size."""
    path = "".join(f"M{b.x:.3f} {b.y:.3f}h{b.width:.3f}v{b.height:.3f}h-{b.width:.3f}z" for b in label.boxes)
    texts = "".join(
        f'<text x="{t.x}" y="{t.y}" font-size="{t.size}" font-family="sans-serif">{escape(t.text)}</text>'
        for t in label.texts
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM}mm" height="{HEIGHT_MM}mm" '
        f'viewBox="0 0 {WIDTH_MM} {HEIGHT_MM}"><rect width="100%" height="100%" fill="#fff"/>'
        f'<path d="{path}" shape-rendering="crispEdges"/>{texts}</svg>\n'
    )


def png(label: Label, path: Path) -> None:
    """Write the label as a black and white PNG of 300 dpi."""
    image = Image.new("L", (round(WIDTH_MM * DOTS_PER_MM), round(HEIGHT_MM * DOTS_PER_MM)), 255)
    draw = ImageDraw.Draw(image)
    for b in label.boxes:
        left, top = round(b.x * DOTS_PER_MM), round(b.y * DOTS_PER_MM)
        right, bottom = round((b.x + b.width) * DOTS_PER_MM), round((b.y + b.height) * DOTS_PER_MM)
        draw.rectangle((left, top, right - 1, bottom - 1), fill=0)
    for t in label.texts:
        font = ImageFont.load_default(size=t.size * DOTS_PER_MM)
        draw.text((t.x * DOTS_PER_MM, t.y * DOTS_PER_MM), t.text, fill=0, font=font, anchor="ls")
    dpi = DOTS_PER_MM * 25.4
    image.save(path, dpi=(dpi, dpi))


def sheet(labels: Sequence[Label], path: Path) -> None:
    """Write A4 pages full of labels, three beside each other less what the margin takes, with lines to cut along."""
    pdf = FPDF(format="A4", unit="mm")
    pdf.set_auto_page_break(False)
    pdf.set_font("Helvetica")
    columns = int((PAGE_MM[0] - 2 * MARGIN_MM + GAP_MM) // (WIDTH_MM + GAP_MM))
    rows = int((PAGE_MM[1] - 2 * MARGIN_MM + GAP_MM) // (HEIGHT_MM + GAP_MM))
    for number, label in enumerate(labels):
        place = number % (columns * rows)
        if place == 0:
            pdf.add_page()
        x = MARGIN_MM + place % columns * (WIDTH_MM + GAP_MM)
        y = MARGIN_MM + place // columns * (HEIGHT_MM + GAP_MM)
        _draw(pdf, label, x, y)
    pdf.output(str(path))


def terminal(identity: Identity, host: str) -> str:
    """The pairing code for a terminal of 80 columns."""
    lines = []
    modules = _modules(pairing_url(identity, host), border=2)
    for top in range(0, len(modules), 2):
        upper = modules[top]
        lower = modules[top + 1] if top + 1 < len(modules) else [False] * len(upper)
        # White on black, whatever the terminal's colours: light is what is printed.
        lines.append("".join("█▀▄ "[a * 2 + b] for a, b in zip(upper, lower, strict=True)))
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" for line in lines)


def _modules(content: str, border: int = 0) -> list[list[bool]]:
    return [
        [bool(cell) for cell in row] for row in segno.make(content, error="m", micro=False).matrix_iter(border=border)
    ]


def _code(modules: list[list[bool]], x: float, y: float, size: float) -> Iterable[Box]:
    """A code with its quiet zone in a square. Modules are whole dots wide, so that no printer blurs them."""
    count = len(modules) + 2 * QUIET
    module = int(size * DOTS_PER_MM / count) / DOTS_PER_MM
    shift = int((size - module * count) / 2 * DOTS_PER_MM) / DOTS_PER_MM + QUIET * module
    for row, cells in enumerate(modules):
        start = 0
        while start < len(cells):
            end = start
            while end < len(cells) and cells[end]:
                end += 1
            if end > start:
                yield Box(x + shift + start * module, y + shift + row * module, (end - start) * module, module)
            start = max(end, start + 1)


def _draw(pdf: FPDF, label: Label, x: float, y: float) -> None:
    pdf.set_draw_color(200)
    pdf.set_line_width(0.1)
    pdf.rect(x, y, WIDTH_MM, HEIGHT_MM)
    pdf.set_fill_color(0)
    for b in label.boxes:
        pdf.rect(x + b.x, y + b.y, b.width, b.height, style="F")
    for t in label.texts:
        pdf.set_font_size(t.size / 25.4 * 72)
        pdf.text(x + t.x, y + t.y, t.text)
