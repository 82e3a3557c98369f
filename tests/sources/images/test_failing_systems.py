"""Tests of system failures, which are retried or raised, and not skipped as broken images."""

import errno
import io
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image
from PIL import ImageFile as PillowImageFile

import evenly
from evenly.sources.images import decode, image_file
from evenly.sources.images import source as image_source
from evenly.sources.images.image_file import ImageReader, from_path, read_remote
from evenly.sources.scan import FileScan
from image_files import encoded, noise, write_folder, write_tar, write_zip

PNG = encoded(noise(0, 9, 9, 3), "PNG")
JPEG = encoded(noise(0, 9, 9, 3), "JPEG")


def failing(monkeypatch, number, times):
    """Make the first opens of an image fail; return the list of all attempts."""
    tried = []

    def open_regular(path):
        tried.append(path)
        if len(tried) <= times:
            raise OSError(number, os.strerror(number), path)
        return opened(path)

    opened = image_file.open_regular
    monkeypatch.setattr(image_file, "open_regular", open_regular)
    monkeypatch.setattr(image_file, "_RETRY_DELAYS", (0.0,) * 4)
    return tried


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "EIO", "ESTALE", "ENOMEM", "ENOTCONN"])
@pytest.mark.parametrize("threads", [1, 3])
def test_system_error_is_not_skipped_as_broken_image(name, threads, tmp_path, monkeypatch):
    write_folder({f"{i}.png": PNG for i in range(9)}, tmp_path)
    number = getattr(errno, name)
    failing(monkeypatch, number, 10**9)
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit(tmp_path, threads=threads)
    assert caught.value.errno == number
    assert f".png': {os.strerror(number)} ({name}). This is a limit or a failure" in str(
        caught.value
    )


@pytest.mark.parametrize("name", ["ENOENT", "EACCES", "ELOOP"])
def test_inaccessible_image_is_skipped_with_reason(name, tmp_path, monkeypatch, caplog):
    write_folder({"a.png": PNG, "b.png": PNG}, tmp_path)
    failing(monkeypatch, getattr(errno, name), 1)
    assert evenly.fit(tmp_path, threads=1).rows == 81
    assert f".png: {os.strerror(getattr(errno, name))})" in caplog.text


def test_too_many_open_files_is_retried(tmp_path, monkeypatch):
    write_folder({f"{i}.png": PNG for i in range(9)}, tmp_path)
    expected = evenly.fit(tmp_path)
    tried = failing(monkeypatch, errno.EMFILE, 4)
    assert evenly.fit(tmp_path, threads=3) == expected
    assert len(tried) == 13


def test_reader_opens_one_file_at_a_time_without_descriptors(tmp_path):
    path = str(tmp_path / "x.png")
    locked = []
    reader = ImageReader()

    def read(picture):
        locked.append(reader._lock.locked())
        if len(locked) == 2:
            error = evenly.SourceError("too many")
            error.errno = errno.EMFILE
            raise error
        return b""

    assert [reader.read(read, from_path(path)) for _ in range(3)] == [b""] * 3
    assert locked == [False, False, True, True]


IN_A_CHILD = textwrap.dedent(
    """
    import os, resource, sys
    import evenly

    folder, spare, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    evenly.fit(folder)  # triggers lazy imports
    used = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, used + spare))
    try:
        print(evenly.fit(folder, threads=threads).rows)
    except evenly.SourceError as error:
        print("refused:", error)
    """
)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="of Linux")
@pytest.mark.parametrize(
    ("form", "spare", "enough"),
    [
        *(("files", 0, False), ("files", 1, True), ("files", 3, True)),
        *(("zip", 2, True), ("tar", 2, True)),
        *(("archives", 2, False), ("archives", 8, True)),  # one per thread, and the next ones
    ],
)
def test_few_file_descriptors(form, spare, enough, tmp_path):
    images = {f"{i}.png": PNG for i in range(60)} | {f"{i}.jpg": JPEG for i in range(60)}
    if form == "files":
        write_folder(images, tmp_path)
    elif form == "archives":  # these stay open until their last image is released
        for number, (name, content) in enumerate(images.items()):
            write = (write_zip, write_tar)[number % 2]
            write({name: content}, tmp_path / f"{number}.{('zip', 'tar')[number % 2]}")
    else:
        (write_zip if form == "zip" else write_tar)(images, tmp_path / f"x.{form}")
    done = subprocess.run(
        [sys.executable, "-c", IN_A_CHILD, str(tmp_path), str(spare), "4"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{120 * 81}\n" or "refused: The system must be able to" in done.stdout
    assert "skipped" not in done.stderr
    if enough:
        assert done.stdout == f"{120 * 81}\n", done.stdout + done.stderr


def test_task_reads_one_archive(tmp_path):
    for number in range(5):
        write_zip({"a.jpg": JPEG, "b.jpg": JPEG}, tmp_path / f"{number}.zip")
    source = evenly.sources.open_source(tmp_path)
    source._task_size = 16
    assert [sum(block.rows for block in task.blocks) for task in source.tasks()] == [162] * 5


def test_scan_raises_without_descriptors(tmp_path, monkeypatch):
    write_zip({"a.png": PNG}, tmp_path / "x.zip")

    def refuse(path):
        raise evenly.errors.EvenlyError if path is None else image_error(path)

    def image_error(path):
        error = evenly.SourceError("Too many open files")
        error.errno = errno.EMFILE
        return error

    monkeypatch.setattr("evenly.sources.images.archives.open_file", refuse)
    with pytest.raises(evenly.SourceError, match="Too many open files"):
        FileScan([tmp_path / "x.zip"]).decide()


# Memory


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_memory_error_in_pillow_names_image(form, tmp_path, monkeypatch):
    name = f"x.{form.lower()}"
    write_folder({name: encoded(noise(0, 9, 9, 3), form)}, tmp_path)
    monkeypatch.setattr(image_source, "jpeg_decoder", lambda: None)

    def load(image):
        raise MemoryError

    monkeypatch.setattr(PillowImageFile.ImageFile, "load", load)
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.load", load)
    with pytest.raises(evenly.SourceError) as caught:
        evenly.fit(tmp_path)
    assert f"{name}': Cannot allocate memory (ENOMEM)" in str(caught.value)
    assert "raise the limit (ulimit -v)" in str(caught.value)


def test_memory_error_in_simplejpeg_names_image(tmp_path, monkeypatch):
    pytest.importorskip("simplejpeg")
    write_folder({"x.jpg": JPEG}, tmp_path)

    class Decoder:
        decode_jpeg_header = staticmethod(decode.jpeg_decoder().decode_jpeg_header)

        @staticmethod
        def decode_jpeg(*_, **__):
            raise MemoryError

    monkeypatch.setattr(image_source, "jpeg_decoder", lambda: Decoder)
    with pytest.raises(evenly.SourceError, match=r"x\.jpg': Cannot allocate memory"):
        evenly.fit(tmp_path)


def test_broken_image_is_decoded_again(tmp_path, monkeypatch):
    write_folder({"x.png": PNG}, tmp_path)
    expected = evenly.fit(tmp_path)
    loads = []

    def load(image):
        loads.append(image)
        if len(loads) == 1:
            raise OSError("broken data stream when reading image file")
        return loaded(image)

    loaded = PillowImageFile.ImageFile.load
    monkeypatch.setattr(PillowImageFile.ImageFile, "load", load)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load, raising=False)
    assert evenly.fit(tmp_path, threads=1) == expected
    assert len(loads) > 1


def test_memory_error_before_decoding_again(tmp_path, monkeypatch):
    write_folder({"x.jpg": JPEG[:-100]}, tmp_path)

    def empty(shape, dtype):
        raise MemoryError

    monkeypatch.setattr(decode.np, "empty", lambda *shape: empty(*shape))
    with pytest.raises(MemoryError):
        decode.decode(decode.pillow(), JPEG[:-100])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are those of Linux")
def test_memory_limit_skips_no_image(tmp_path):
    """libjpeg reports "broken data stream" when it runs out of memory."""
    large = io.BytesIO()
    Image.fromarray(np.zeros((3000, 3000, 3), np.uint8)).save(large, "JPEG", progressive=True)
    write_folder({f"{i}.jpg": large.getvalue() for i in range(4)}, tmp_path)
    child = textwrap.dedent(
        """
        import resource, sys
        import evenly

        evenly.fit(sys.argv[1] + "/0.jpg", threads=1)
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        limit = used + int(sys.argv[2]) * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            print(evenly.fit(sys.argv[1], threads=1).rows)
        except (evenly.SourceError, MemoryError) as error:
            print("refused:", error)
        """
    )
    for spare in (1, 50):
        done = subprocess.run(
            [sys.executable, "-c", child, str(tmp_path), str(spare)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.startswith((f"{4 * 3000**2}\n", "refused:")), done.stdout + done.stderr
        assert "skipped" not in done.stderr


# Remote file systems


def test_remote_failure_is_a_system_error():
    """Remote errors can be of any class; the class says whether a file is missing."""

    class ClientError(Exception):
        pass

    def failing(error):
        def read():
            raise error

        return read

    for error in (ClientError("503 Slow down"), OSError("connection reset"), TimeoutError()):
        with pytest.raises(evenly.SourceError, match="The system must be able to read"):
            read_remote(failing(error), "s3://bucket/x.jpg", "s3://bucket/x.jpg")
    for error in (FileNotFoundError("s3://x"), PermissionError("s3://x"), EOFError()):
        with pytest.raises(type(error)):
            read_remote(failing(error), "s3://bucket/x.jpg", "s3://bucket/x.jpg")
    assert read_remote(lambda: b"x", "s3://bucket/x.jpg", "s3://bucket/x.jpg") == b"x"


def test_missing_and_unavailable_remote_images(caplog, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe({"/album/a.png": PNG, "/album/b.png": PNG})
    opened = type(memory).open
    reason = FileNotFoundError("gone")

    def open_file(self, path, *arguments, **options):
        if path.endswith("b.png"):
            raise reason
        return opened(self, path, *arguments, **options)

    monkeypatch.setattr(type(memory), "open", open_file)
    assert evenly.fit("memory://album").rows == 81
    assert "memory://album/b.png: gone" in caplog.text
    reason = LookupError("503 Slow down")
    with pytest.raises(evenly.SourceError, match=r"'memory://album/b\.png': .*503 Slow down"):
        evenly.fit("memory://album")
    memory.rm("/album", recursive=True)


# Special files


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="of Unix")
def test_pipe_among_images_is_skipped(tmp_path, caplog):
    write_folder({"ok.png": PNG}, tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert evenly.fit(tmp_path).rows == 81
    assert "skipped: 2 of 3 images (" in caplog.text
    for name in ("pipe.jpg", "zero.png"):
        assert f"{name}: it is not a regular file" in caplog.text
        with pytest.raises(evenly.DataError, match="it is not a regular file"):
            evenly.fit(tmp_path / name)
    with pytest.raises(evenly.SourceError, match="it is not a regular file"):
        evenly.fit(tmp_path, broken="error")


def test_broken_image_reason_is_redacted(monkeypatch):
    """fsspec's HTTP file system raises FileNotFoundError with the signed URL."""
    url = "memory://me:hunter2xyz@host/b.png"

    def read(path):
        raise FileNotFoundError(f"https://host/b.png?X-Amz-Signature=0f3c hunter2xyz: {'a' * 400}")

    monkeypatch.setattr(image_file, "_read_url", read)
    with pytest.raises(decode.UnreadableError) as caught:
        image_file.read(from_path(url))
    text = str(caught.value)
    assert text.startswith("https://host/b.png?X-Amz-Signature=… …: aaa")
    assert len(text) < 310
