"""The one error for a store that cannot be decoded."""

from evenly.errors import SourceError
from evenly.system_errors import is_system_error, system_error


def damaged(place: str, error: Exception) -> SourceError:
    """Return the error, with what the decoder says; or that the system cannot read it."""
    if is_system_error(error):
        return system_error(place, error)
    text = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
    return SourceError(
        f"A store must be whole, and of its format. Received: {place}, which cannot be read: "
        f"{text}. It may be truncated or damaged, or need a codec; get it again."
    )
