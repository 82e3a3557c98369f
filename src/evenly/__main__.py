"""``python -m evenly`` is the command line."""

import sys

from evenly.cli import main

sys.exit(main())
