"""Pair a hub from a computer: over Bluetooth or a cable, with the label in hand. See README.md."""
