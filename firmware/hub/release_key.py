"""Whose releases this hub installs: public keys of which one must have signed them.

`python -m tools.release key` writes this file; a hub built without a key takes no updates over the air.

Two, so that a key can be replaced: a release signed with the old key brings the new one along.
"""

KEYS: "tuple[str, ...]" = ()
"""Modulus of each RSA key, hexadecimal; the exponent is 65537."""
