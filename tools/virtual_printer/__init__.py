"""A program that third-party clients take for Bambu Lab printers; see README.md in this folder."""
