"""Runs before main.py on a board: full speed, and a collector that keeps memory in one piece from the start."""

import gc
import sys

if sys.platform == "esp32":
    import machine

    try:
        machine.freq(240_000_000)
    except ValueError:
        machine.freq(160_000_000)  # a C3 or C6 has no more, and after an error in this file main.py does not run

gc.collect()
