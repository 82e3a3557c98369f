"""Check the values of a statistics file, and say which one breaks a rule."""

import json
from collections.abc import Set

from evenly.errors import StatisticsFileError
from evenly.typing import JsonObject


class InvalidNumber(str):
    """The text of a JSON number that is not allowed in the file: NaN, 1e999, 500 digits."""

    __slots__ = ()


def abbreviate(value: object) -> str:
    """Return a value from the file as short text for an error message."""
    if isinstance(value, (list, dict)):
        kind = "an object" if isinstance(value, dict) else "an array"
        return f"{kind} with {len(value)} entries"
    text = str(value) if isinstance(value, InvalidNumber) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def check(is_valid: bool, rule: str, value: object) -> None:
    """Check that a value from the file follows a rule."""
    if not is_valid:
        raise invalid_value_error(rule, value)


def invalid_value_error(rule: str, value: object) -> StatisticsFileError:
    """Return the error for a value from the file that breaks a rule."""
    return StatisticsFileError(f"{rule}. Received: {abbreviate(value)}.")


def is_count(value: object) -> bool:
    """Return whether a value from the file is an integer from 0 to 2**63 - 1."""
    return type(value) is int and 0 <= value < 2**63


def check_keys(
    entry: JsonObject, required: Set[str], label: str, *, optional: Set[str] = frozenset()
) -> None:
    """Check the keys of an object from the file."""
    if missing := sorted(required - entry.keys()):
        raise StatisticsFileError(f"{label} has no {missing[0]!r}.")
    if unknown := sorted(entry.keys() - required - optional):
        raise StatisticsFileError(f"{label} has an unknown key, {abbreviate(unknown[0])}.")
