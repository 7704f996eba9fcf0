"""Runs before main.py on a board: full speed, and a collector that keeps memory in one piece from the start."""

import gc
import sys

if sys.platform == "esp32":
    import machine

    machine.freq(240_000_000)

gc.collect()
