"""Convert a fitted scaler to ONNX nodes, called by skl2onnx through the estimator.

    float32 in:            ((x - hi) - lo) * factor     all in float32
    float64 or int64 in:   the same in float64; the result of integers is float32

hi + lo is the mean to 48 bits in float32, to 106 in float64. So a float32 column at any
offset is scaled to the precision of float32: x - hi is exact for x near the mean (Sterbenz,
1974), and three roundings of half an ulp follow, in addition to those of lo and factor.
(skl2onnx's own converter subtracts one float32: sklearn-onnx #479.)
"""

from typing import Any

import numpy as np

from evenly.sklearn.scaling import scaling_of
from evenly.transform import Scaling
from evenly.typing import FloatArray


def declare(*, scope: Any, inputs: Any) -> list[Any]:
    """Declare the output type: float64 for float64 input, float32 otherwise."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    double = any(isinstance(variable.type, DoubleTensorType) for variable in inputs)
    tensor_type = DoubleTensorType if double else FloatTensorType
    return [scope.declare_local_variable("variable", tensor_type())]


def shape(operator: Any) -> None:
    """Set the output's shape: the rows of the input and the fitted columns."""
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type.shape = [rows, operator.raw_operator.n_features_in_]


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a fitted scaler to the graph."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from skl2onnx.operator_converters.common import concatenate_variables

    scaler = operator.raw_operator
    scaling = scaling_of(
        scaler.moments_,
        with_mean=scaler.with_mean,
        with_std=scaler.with_std,
        tolerance=scaler.tolerance,
        inverse=False,
    )
    all_float32 = all(isinstance(variable.type, FloatTensorType) for variable in operator.inputs)
    use_float32 = all_float32 and _fits_float32(scaling)
    tensor_type = FloatTensorType if use_float32 else DoubleTensorType
    name = concatenate_variables(scope, operator.inputs, container, main_type=tensor_type)
    nodes = _Nodes(scope, container, np.float32 if use_float32 else np.float64)
    for operation, values in _steps(scaling, use_float32=use_float32):
        name = nodes.add(operation, name, values)
    nodes.end(name, operator.outputs[0])


def _fits_float32(scaling: Scaling) -> bool:
    """Return whether every factor and mean is NaN or a normal float32 number."""
    info = np.finfo(np.float32)
    known = scaling.factor[~np.isnan(scaling.factor)]
    small = (np.abs(known) < info.tiny) | (np.abs(known) > info.max)
    huge = np.abs(np.nan_to_num(scaling.hi)) > info.max
    return scaling.power is None and not small.any() and not huge.any()


def _steps(scaling: Scaling, *, use_float32: bool) -> list[tuple[str, FloatArray]]:
    """Return the operations and their operands, without those that change nothing."""
    hi, lo, factor = scaling.hi, scaling.lo, scaling.factor
    if use_float32:
        rounded = hi.astype(np.float32)
        hi, lo = rounded.astype(np.float64), (hi - rounded.astype(np.float64)) + lo
    steps = [("Sub", hi), ("Sub", lo), ("Mul", factor)]
    if scaling.power is not None:
        steps.insert(0, ("Mul", np.exp2(scaling.power.astype(np.float64))))
    return [(name, x) for name, x in steps if (x != (name == "Mul")).any()]


class _Nodes:
    """Add a chain of nodes, each with one constant operand."""

    def __init__(self, scope: Any, container: Any, dtype: type[np.floating[Any]]) -> None:
        self._scope, self._container, self._dtype = scope, container, dtype

    def add(self, operation: str, name: str, values: FloatArray) -> str:
        """Add an operation with a constant operand; return the name of its result."""
        from skl2onnx.proto import onnx_proto

        tensor_types = {
            np.float32: onnx_proto.TensorProto.FLOAT,
            np.float64: onnx_proto.TensorProto.DOUBLE,
        }
        constant = self._scope.get_unique_variable_name("scaling")
        result = self._scope.get_unique_variable_name("scaled")
        self._container.add_initializer(
            constant,
            tensor_types[self._dtype],
            [1, len(values)],
            values.astype(self._dtype).tolist(),
        )
        self._container.add_node(
            operation,
            [name, constant],
            result,
            name=self._scope.get_unique_operator_name(operation),
        )
        return result

    def end(self, name: str, output: Any) -> None:
        """Add the last node, which casts the result to the output's type."""
        from skl2onnx.common.data_types import guess_proto_type

        self._container.add_node(
            "Cast",
            name,
            output.full_name,
            to=guess_proto_type(output.type),
            name=self._scope.get_unique_operator_name("Cast"),
        )
