"""simplejpeg alone: libjpeg-turbo without what Pillow has around it."""

from benchmarks.peers import pillow


def decode(paths, threads):
    """Read and decode every file into an array on so many threads, and do nothing with it."""
    from simplejpeg import decode_jpeg

    def load(some):
        for path in some:
            with open(path, "rb") as file:
                decode_jpeg(file.read())

    return pillow.by_tasks(load, paths, threads)
