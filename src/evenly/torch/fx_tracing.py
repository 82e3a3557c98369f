"""Record a layer or function as one node of a graph of `torch.fx`.

`torch.fx.Tracer` does not trace through the layers of ``torch.nn``: it records a call of the
module. It has no registration for layers of other packages, whose code it traces with proxies,
which have no shape. So these layers record themselves.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.fx import Proxy

from evenly.errors import DataError


def is_proxy(x: Tensor) -> bool:
    """Return whether the input stands for a value in a graph that is being traced."""
    return isinstance(x, Proxy)


def record_call(layer: nn.Module, x: Proxy, **kwargs: object) -> Proxy:
    """Add a call of the layer to the graph of its input, and return the proxy of the output.

    Raises
    ------
    DataError
        If the layer is itself the traced model.
    """
    tracer = x.tracer
    if getattr(tracer, "root", None) is layer:
        raise DataError(
            "A layer is traced as one operation of a model. Received: "
            f"{type(layer).__name__} as the model itself. Trace nn.Sequential(layer)."
        )
    return tracer.create_proxy("call_module", tracer.path_of_module(layer), (x,), kwargs)


def record_function(
    function: Callable[..., Tensor], x: Proxy, *args: object, **kwargs: object
) -> Proxy:
    """Add a call of the function to the graph of its input, and return the proxy of the output."""
    return x.tracer.create_proxy("call_function", function, (x, *args), kwargs)
