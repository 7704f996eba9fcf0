"""Labels as a phone's camera sees them: drawn in three ways, read back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from shared_protocol import pairing
from tools.flash import label
from tools.flash.identity import Identity

SECRET = bytes(range(16))
WHO = Identity(SECRET, new=True)
HOST = "farm.example"
EXPECTED = {
    f"https://{HOST}/p#{pairing.base32(SECRET)}",
    f"WIFI:T:WPA;S:PrintFarm-{WHO.device[:4]};P:{pairing.passphrase_of(SECRET)};;",
}


def read(image: Image.Image) -> set[str]:
    return {code.text for code in zxingcpp.read_barcodes(image)}


def test_the_png_reads_as_both_codes_and_has_its_true_size(tmp_path: Path) -> None:
    path = tmp_path / "label.png"
    label.png(label.design(WHO, HOST), path)
    with Image.open(path) as image:
        assert read(image.convert("L")) == EXPECTED
        assert image.width / image.info["dpi"][0] * 25.4 == pytest.approx(label.WIDTH_MM, abs=0.1)


def test_the_svg_draws_the_same(tmp_path: Path) -> None:
    text = label.svg(label.design(WHO, HOST))
    assert re.search(r'width="62\.0mm" height="32\.0mm"', text)
    assert WHO.shown in text
    scale = 20
    image = Image.new("L", (int(label.WIDTH_MM * scale), int(label.HEIGHT_MM * scale)), 255)
    draw = ImageDraw.Draw(image)
    for x, y, width, height in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z", text):
        left, top = float(x) * scale, float(y) * scale
        draw.rectangle((left, top, left + float(width) * scale - 1, top + float(height) * scale - 1), fill=0)
    assert read(image) == EXPECTED


def test_a_sheet_has_twenty_four_labels_a_page(tmp_path: Path) -> None:
    path = tmp_path / "sheet.pdf"
    label.sheet([label.design(Identity(bytes([n] * 16), new=True), HOST) for n in range(25)], path)
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", content)) == 2


@pytest.mark.parametrize("host", [HOST, "printfarm.a-rather-long-name-of-a-company.example:8443"])
def test_everything_lies_on_the_label_and_the_codes_keep_their_quiet_zone(host: str) -> None:
    drawn = label.design(WHO, host)
    assert min(box.x for box in drawn.boxes) >= label.QUIET * 0.4
    assert max(box.x + box.width for box in drawn.boxes) <= label.WIDTH_MM - label.QUIET * 0.4
    modules = {round(box.height * label.DOTS_PER_MM, 6) for box in drawn.boxes}
    assert all(module == int(module) and module >= 4 for module in modules), modules
    lines = [(t.x, t.x + ImageFont.load_default(size=t.size * 20).getlength(t.text) / 20) for t in drawn.texts]
    assert max(end for _, end in lines) <= label.WIDTH_MM - 1
    assert lines[0][1] < lines[1][0]


def test_the_terminal_shows_the_pairing_code_in_eighty_columns() -> None:
    rows = [re.sub(r"\x1b\[[\d;]*m", "", row) for row in label.terminal(WHO, HOST).split("\n")]
    assert len(rows) <= 24
    assert max(map(len, rows)) <= 80
    scale = 8
    image = Image.new("L", (len(rows[0]) * scale, len(rows) * 2 * scale), 0)
    draw = ImageDraw.Draw(image)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            for half, lit in enumerate((cell in "█▀", cell in "█▄")):
                if lit:
                    top = (y * 2 + half) * scale
                    draw.rectangle((x * scale, top, (x + 1) * scale - 1, top + scale - 1), fill=255)
    assert read(image) == {f"https://{HOST}/p#{pairing.base32(SECRET)}"}
