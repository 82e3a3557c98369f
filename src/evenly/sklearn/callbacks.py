"""scikit-learn's callbacks (1.9 and later): they are told of a fit, as by its own scaler."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def fit_callbacks(scaler: Any, x: Any, y: Any, sample_weight: Any) -> Iterator[None]:
    """Tell the callbacks that a fit begins, and, unless it fails, that it has ended."""
    if not hasattr(scaler, "_init_callback_context"):  # before 1.9
        yield
        return
    task = {"estimator": scaler, "X": x, "y": y, "metadata": {"sample_weight": sample_weight}}
    context = scaler._init_callback_context()
    context.call_on_fit_task_begin(**task)
    yield
    context.call_on_fit_task_end(**task, reconstruction_attributes={})
