"""The control plane: jobs, printers, files, people, and the dashboard they use."""

from typing import Final

__version__: Final = "0.1.0"
