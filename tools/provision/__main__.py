"""`python -m tools.provision`."""

import sys

from tools.provision.cli import main

sys.exit(main())
