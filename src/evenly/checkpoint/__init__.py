"""A fit of files that goes on where it was: the README beside this file says how."""

from evenly.checkpoint.door import open_resumable as open_resumable
from evenly.checkpoint.resumable import Resumable as Resumable
from evenly.checkpoint.resumable_images import ResumableImages as ResumableImages
