"""simplejpeg alone: libjpeg-turbo without the overhead of Pillow."""

from benchmarks.peers import pillow


def decode(paths, threads):
    """Read and decode every file into an array on a number of threads."""
    from simplejpeg import decode_jpeg

    def load(batch):
        for path in batch:
            with open(path, "rb") as file:
                decode_jpeg(file.read())

    return pillow.by_tasks(load, paths, threads)
