"""The English site: `make docs` builds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
from site_settings import *  # noqa: F403

language = "en"
other_language = {"code": "ja", "source": "ja", "path": "ja/"}
exclude_patterns = ["ja", "_ext", "_templates", "_static"]
