"""What a person sees and touches: one light, one button.

The number of short blinks tells the state, so a light of one colour is enough; where it has colours they help.
`tick` is called by the heartbeat, ten times a second.
"""

import time

from hub.log import log

# state: (colour, milliseconds on, off, on, off, ...), told again and again. No off: steady.
PATTERNS = {
    "online": ((0, 12, 0), 1000),
    "setup": ((0, 0, 40), 1000, 1000),
    "no_wifi": ((40, 20, 0), 200, 200, 200, 1400),
    "no_cloud": ((40, 20, 0), 200, 1800),
    "safe": ((40, 0, 0), 200, 200, 200, 200, 200, 1000),
    "update": ((25, 0, 40), 200, 200),
    "identify": ((40, 40, 40), 100, 100),
    "hold": ((40, 0, 0), 100, 100),
    "reset": ((40, 0, 0), 1000),
}

HOLD_MS = 10_000
_WARN_MS = 3_000  # from here on the light says that holding on has consequences
_PRESS_MS = 50  # shorter is a bouncing contact
_SHOWN_MS = 3_000  # a short press is answered by the light for so long


class Panel:
    """The light and the button of `board`.

    `state()` names the pattern for the moment. `pressed()` is called after a short press, `held()` once after ten
    seconds; both may be replaced.
    """

    def __init__(self, board, state) -> None:  # type: ignore[no-untyped-def]
        self._board = board
        self._state = state
        self._shown: "tuple | None" = None  # type: ignore[type-arg]
        self._pattern = ""
        self._since = 0
        self._extra = ""
        self._extra_until = 0
        self._down_at: "int | None" = None
        self._held = False
        self.pressed = lambda: None
        self.held = lambda: None

    def show(self, pattern: str, ms: int) -> None:
        """Show a pattern instead of the state, for so long."""
        self._extra, self._extra_until = pattern, time.ticks_add(time.ticks_ms(), ms)

    def tick(self) -> None:
        """Read the button, set the light."""
        now = time.ticks_ms()
        pattern = self._button(now) or self._special(now) or self._state()
        if pattern != self._pattern:
            self._pattern, self._since = pattern, now
        color = self._color(PATTERNS[pattern], time.ticks_diff(now, self._since))
        if color != self._shown:
            self._shown = color
            self._board.light(color)

    def _special(self, now: int) -> str:
        if self._extra and time.ticks_diff(self._extra_until, now) <= 0:
            self._extra = ""
        return self._extra

    def _color(self, pattern: "tuple", at: int) -> "tuple | None":  # type: ignore[type-arg]
        """The colour at this time of a pattern; None is dark."""
        if len(pattern) == 2:
            return pattern[0]
        at %= sum(pattern[1:])
        lit = True
        for ms in pattern[1:]:
            if at < ms:
                break
            at -= ms
            lit = not lit
        return pattern[0] if lit else None

    def _button(self, now: int) -> str:
        """Follow the button; the pattern it asks for, or ""."""
        if not self._board.button():
            if self._down_at is not None and not self._held:
                time_down = time.ticks_diff(now, self._down_at)
                if _PRESS_MS <= time_down < _WARN_MS:
                    log("panel", "button pressed")
                    self.show("identify", _SHOWN_MS)
                    self.pressed()
            self._down_at, self._held = None, False
            return ""
        if self._down_at is None:
            self._down_at = now
        down = time.ticks_diff(now, self._down_at)
        if down >= HOLD_MS:
            if not self._held:
                self._held = True
                log("panel", "button held: factory reset")
                self.held()
            return "reset"
        return "hold" if down >= _WARN_MS else ""
