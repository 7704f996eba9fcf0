"""Releases of the hub's application: make the keys, build, sign. See README.md."""
