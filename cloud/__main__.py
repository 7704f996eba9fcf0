"""`python -m cloud`: run the cloud."""

import sys

from cloud.serve import main

sys.exit(main())
