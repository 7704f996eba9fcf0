"""`python -m tools.virtual_printer`."""

from tools.virtual_printer.cli import main

raise SystemExit(main())
