"""Recognize files of sound and video, which evenly does not decode."""

from pathlib import PurePath

SOUND_SUFFIXES = (
    *(".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma"),
    *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64"),
)
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv")

_MAGIC = {
    b"fLaC": "a sound file (FLAC)",
    b"OggS": "a sound file (Ogg)",
    b"ID3": "a sound file (MP3)",
    b".snd": "a sound file (AU)",
    b"caff": "a sound file (CAF)",
    b"\x1aE\xdf\xa3": "a video file (Matroska or WebM)",
}
_CONTAINERS = {
    (b"RIFF", b"WAVE"): "a sound file (WAV)",
    (b"RF64", b"WAVE"): "a sound file (WAV)",
    (b"FORM", b"AIFF"): "a sound file (AIFF)",
    (b"FORM", b"AIFC"): "a sound file (AIFF)",
    (b"RIFF", b"AVI "): "a video file (AVI)",
}
"""Containers by their first four bytes, and the four bytes from the ninth on."""


def recording_of(head: bytes) -> str:
    r"""Return the type of a file of sound or video, by its first 12 bytes; empty for other files.

    >>> recording_of(b"RIFF\x24\x00\x00\x00WAVEfmt "), recording_of(b"\xff\xfb\x90\x64")
    ('a sound file (WAV)', 'a sound file (MP3)')
    """
    container = _CONTAINERS.get((head[:4], head[8:12]))
    if container:
        return container
    if head[4:8] == b"ftyp" and head[8:11] not in (b"avi", b"hei", b"mif"):  # these are images
        return "a sound file (M4A)" if head[8:11] == b"M4A" else "a video file (MP4)"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:  # MPEG audio, layer III
        return "a sound file (MP3)"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def is_recording(name: str) -> bool:
    """Return whether a file is sound or video, by its suffix.

    >>> is_recording("speech/0001.FLAC"), is_recording("cat.jpg")
    (True, False)
    """
    return PurePath(name).suffix.lower() in (*SOUND_SUFFIXES, *VIDEO_SUFFIXES)


def recording_error_text(label: str, found: str) -> str:
    """Return the message for a file of sound or video."""
    return (
        f"A file of sound or video must be decoded before it is fitted. Received: {label}, which "
        f"is {found}. Pass its samples as arrays, such as "
        "evenly.fit(soundfile.read(path, always_2d=True)[0] for path in paths)."
    )
