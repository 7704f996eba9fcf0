"""Programs that drive a printer with clients other people wrote; each runs in a process of its own."""
