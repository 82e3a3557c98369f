"""Open files, folders, patterns and URLs as a source of images, tables or arrays."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import cast

from evenly.errors import SourceError
from evenly.redaction import redact_url
from evenly.sources.batches import BatchSource
from evenly.sources.files.formats import FileOpener
from evenly.sources.files.locate import expand_all, size_of, suffixes_of
from evenly.sources.images import open_scan, scan_images
from evenly.sources.opener import SourceOpener
from evenly.sources.source import Source
from evenly.sources.stores.tables import ArraysTable, RecordsTable
from evenly.sources.tables import Table, is_table
from evenly.typing import Path


def open_paths(x: Path | Sequence[Path], label: str, opener: SourceOpener) -> Source:
    """Open the files that a path, or a list of paths, stands for."""
    paths = [x] if isinstance(x, str | os.PathLike) else x
    if (images := scan_images(paths)) is not None:
        return open_scan(images, label, opener)
    files = expand_all(paths)
    sizes = [size_of(path) for path in files]
    nbytes = None if None in sizes else sum(filter(None, sizes))
    parts = FileOpener(opener.options, opener.watch, files.partitions).iter_tables(files)
    first = next(parts)
    rows = first.rows if len(files) == 1 and suffixes_of(files[0])[0] != ".zip" else None
    everything = chain([first], parts)
    name = redact_url(files[0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    if is_table(first):
        if not isinstance(first, ArraysTable | RecordsTable):
            opener.check_no_select(name)
        return opener.open_tables(_only_tables(everything), name, rows, nbytes)
    return BatchSource(
        everything,
        lambda part, _: opener.as_source(part),
        description=name,
        rows=rows,
        nbytes=nbytes,
        only=first if len(files) == 1 else None,
    )


def _only_tables(parts: Iterable[Table | Source]) -> Iterator[Table]:
    for part in parts:
        if not is_table(part):
            raise SourceError(
                "All files of a fit must be tables, or all arrays. "
                f"Received: tables, and then {cast(Source, part).description}."
            )
        yield part
