"""What programs written for the system on the Pi call: its paths and field names, over the endpoints of today.

Here is translated and nothing decided: docs/old-api.md says of every old path whether and where it is served.
"""
