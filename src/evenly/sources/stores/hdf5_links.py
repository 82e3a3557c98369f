"""Find the datasets below a group of an HDF5 file, through links of all kinds.

Each dataset occurs once: under its own name, or else under the name of a link that leads to it from
outside of the group. A link to a group is followed only if that group was not visited, so a cycle
of links ends.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from evenly.errors import SourceError
from evenly.sources.read_errors import reason
from evenly.system.errors import is_system_error
from evenly.system.regular_files import check_regular

if TYPE_CHECKING:
    import h5py


Member: TypeAlias = "h5py.Dataset | h5py.Group"
ObjectId = tuple[int, int]
"""The number of an open file, and the address of an object in it: the same for all its names."""


def find_datasets(group: object, label: str) -> Iterator[tuple[str, "h5py.Dataset | SourceError"]]:
    """Yield the path of each dataset below a group, and the dataset or a `SourceError`.

    The error is that of a link whose target does not exist.
    """
    yield from _Walk(label).below(group, "")


def follow(group: object, path: str, label: str) -> Any:
    """Return the object at a path; None if there is none.

    Raises
    ------
    SourceError
        If the target of a link in the path does not exist.
    """
    found = group
    names = [name for name in path.split("/") if name]
    for number, name in enumerate(names):
        if not hasattr(found, "keys") or name not in _names(found):
            return None
        found = _resolve(found, name, f"{label}/{'/'.join(names[: number + 1])}")
        if isinstance(found, SourceError):
            raise found
    return found


def object_id_of(member: Member) -> ObjectId:
    """Return the identity of a group or a dataset."""
    import h5py

    information = h5py.h5o.get_info(member.id)
    return information.fileno, information.addr


class _Walk:
    """A walk over groups: hard links first, so that each object has its own name."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._seen: set[ObjectId] = set()
        self._links: list[tuple[h5py.Group, str, str]] = []  # group, name, path; of soft links

    def below(self, group: object, path: str) -> Iterator[tuple[str, "h5py.Dataset | SourceError"]]:
        yield from self._below(group, path)
        while self._links:
            parent, name, link_path = self._links.pop(0)
            target = _resolve(parent, name, f"{self._label}/{link_path}")
            if isinstance(target, SourceError):
                yield link_path, target
            else:
                yield from self._visit(target, link_path)

    def _below(
        self, group: "h5py.Group", path: str
    ) -> Iterator[tuple[str, "h5py.Dataset | SourceError"]]:
        import h5py

        self._seen.add(object_id_of(group))
        for name in sorted(_names(group)):
            member_path = f"{path}/{name}" if path else name
            if isinstance(group.get(name, getlink=True), h5py.HardLink):
                yield from self._visit(group[name], member_path)
            else:
                self._links.append((group, name, member_path))

    def _visit(
        self, member: object, path: str
    ) -> Iterator[tuple[str, "h5py.Dataset | SourceError"]]:
        import h5py

        if isinstance(member, h5py.Dataset | h5py.Group) and object_id_of(member) not in self._seen:
            if isinstance(member, h5py.Group):
                yield from self._below(member, path)
            else:
                self._seen.add(object_id_of(member))
                yield path, member


def _names(group: "h5py.Group") -> list[str]:
    return list(group.keys())


def _resolve(group: "h5py.Group", name: str, label: str) -> Any:
    """Return the member with a name, or the error of a link without a target."""
    import h5py

    link = group.get(name, getlink=True)
    try:
        if isinstance(link, h5py.ExternalLink):
            _check_file(link.filename, group.file.filename)
        return group[name]
    except (KeyError, OSError) as error:
        if is_system_error(error):
            raise
        target = link.path if isinstance(link, h5py.SoftLink | h5py.ExternalLink) else ""
        return _dangling_error(label, f"{getattr(link, 'filename', '')}{target}", error)


def _check_file(filename: str, parent: str) -> None:
    """Check that the file of an external link is a regular file."""
    path = os.path.join(os.path.dirname(parent), filename)
    check_regular(os.stat(path), path)


def _dangling_error(label: str, target: str, error: Exception) -> SourceError:
    return SourceError(
        "A link in an HDF5 file must lead to a dataset or a group. Received: "
        f"{label}, a link to {target}: {reason(error)}. Put the file where the link expects it, "
        "or choose other arrays with select= or columns=."
    )
