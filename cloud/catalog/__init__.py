"""What can be printed: print files, the printers they were sliced for, and their filaments."""
