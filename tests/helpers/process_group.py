"""Run functions in several processes that communicate by gloo."""

import importlib.util
import multiprocessing
import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

TIMEOUT = timedelta(minutes=5)  # timeout of a collective, so that a deadlock is an error

Run = Callable[..., list[Any]]


@contextmanager
def ranks(world: int) -> Iterator[Run]:
    """Start the processes, and yield a function that runs other functions on all of them.

    ``run(function, inputs)`` calls ``function(input)`` on each rank with its own input, and
    returns the list of results, or the exceptions that were raised. The function is looked up by
    name in its file, since test files cannot be imported.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        init_method = f"file://{Path(folder) / 'init'}"
        pipes = [context.Pipe() for _ in range(world)]
        processes = [
            context.Process(target=serve, args=(rank, world, init_method, child), daemon=True)
            for rank, (_, child) in enumerate(pipes)
        ]
        for process in processes:
            process.start()
        for _, child in pipes:
            child.close()  # so that a process that dies closes its pipe
        ends = [parent for parent, _ in pipes]

        def run(function: Callable[[Any], Any], inputs: list[Any]) -> list[Any]:
            location = (function.__code__.co_filename, function.__name__)
            for end, argument in zip(ends, inputs, strict=True):
                end.send_bytes(pickle.dumps((location, argument)))
            return [pickle.loads(end.recv_bytes()) for end in ends]

        yield run
        for process in processes:  # an orderly shutdown of torch takes 4 s
            process.terminate()
            process.join()


def serve(rank: int, world: int, init_method: str, pipe: Connection) -> None:
    """Run functions as they arrive (the main function of each process)."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=init_method, rank=rank, world_size=world, timeout=TIMEOUT
    )
    modules: dict[str, Any] = {}
    while True:
        (file, name), argument = pickle.loads(pipe.recv_bytes())
        try:
            if file not in modules:
                modules[file] = load_module(file)
            result = getattr(modules[file], name)(argument)
        except Exception as error:
            result = error
        pipe.send_bytes(pickle.dumps(result))


def load_module(file: str) -> Any:
    """Load the module in a file."""
    spec = importlib.util.spec_from_file_location("of_rank", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
