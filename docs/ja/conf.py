"""The Japanese site: `make docs` builds it next to the English one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "_ext"))
from site_settings import *  # noqa: F403

language = "ja"
locale_dirs = ["locale"]
other_language = {"code": "en", "source": "..", "path": "../"}
html_title = "evenly"
