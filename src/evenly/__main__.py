"""Run the command line with ``python -m evenly``."""

import sys

from evenly.cli import main

sys.exit(main())
