"""The one error for a store that cannot be decoded."""

from evenly.errors import SourceError


def damaged(place: str, error: Exception) -> SourceError:
    """Return the error, with what the decoder says."""
    text = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
    return SourceError(
        f"A store must be whole, and of its format. Received: {place}, which cannot be read: "
        f"{text}. It may be truncated or damaged, or need a codec; get it again."
    )
