"""Moving from the Raspberry Pi: its `tenant.db` and `files/` into the cloud's database and file store."""
