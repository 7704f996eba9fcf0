"""The board's light and button. Which pins they are on, `board.json` in the data folder may say.

{"led": 48, "kind": "rgb", "button": 0}: kind is "rgb" (WS2812), "high" or "low" (a plain LED, lit by that level).
"""

import json

import machine
from hub.log import log

_USUAL = {
    "esp32s3": (48, "rgb", 0),
    "esp32c3": (8, "rgb", 9),
    "esp32c6": (8, "rgb", 9),
    "esp32": (2, "high", 0),
}
"""Those of the makers' development boards: light, its kind, the button marked BOOT."""


class Lamp:
    """One light and one button, which pulls its pin down."""

    def __init__(self, folder: str, target: str) -> None:
        led, kind, button = _USUAL.get(target, _USUAL["esp32"])
        try:
            with open(folder + "/board.json") as file:
                said = json.loads(file.read())
            led, kind, button = said.get("led", led), said.get("kind", kind), said.get("button", button)
        except OSError:
            pass  # wired as usual
        except (ValueError, AttributeError):
            log("board", "board.json is damaged: light and button are looked for where the maker put them")
        self._low = kind == "low"
        self._strip = None
        self._pin = machine.Pin(led, machine.Pin.OUT)
        if kind == "rgb":
            import neopixel

            self._strip = neopixel.NeoPixel(self._pin, 1)
        self._button = machine.Pin(button, machine.Pin.IN, machine.Pin.PULL_UP)

    def set(self, color: "tuple | None") -> None:  # type: ignore[type-arg]
        """Light up as (red, green, blue); None is dark. A plain LED is only on or off."""
        if self._strip is not None:
            self._strip[0] = color or (0, 0, 0)
            self._strip.write()
        else:
            self._pin.value((color is None) == self._low)

    def pressed(self) -> bool:
        """Whether the button is down."""
        return not self._button.value()
