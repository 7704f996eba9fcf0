"""What hub and cloud say to each other, declared once. Runs on MicroPython and on CPython."""
