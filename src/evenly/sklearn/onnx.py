"""A fitted scaler as ONNX nodes, for skl2onnx, which finds them through the estimator.

    float32 in:            ((x - hi) - lo) * factor     all in float32
    float64 or int64 in:   the same in float64; integers end as float32

hi + lo is the mean to 48 bits in float32, to 106 in float64. So a float32 column at any
offset comes out as near as float32 can tell: x - hi is exact for x near the mean (Sterbenz,
1974), and three roundings of half an ulp follow, beside those of lo and factor.
(skl2onnx's own converter subtracts one float32: sklearn-onnx #479.)
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from evenly.sklearn.scaling import scaling_of
from evenly.transform import Scaling

Floats = npt.NDArray[np.floating[Any]]


def declare(*, scope: Any, inputs: Any) -> list[Any]:
    """Declare the output: float64 for float64, float32 for everything else."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    double = any(isinstance(variable.type, DoubleTensorType) for variable in inputs)
    kind = DoubleTensorType if double else FloatTensorType
    return [scope.declare_local_variable("variable", kind())]


def shape(operator: Any) -> None:
    """Give the output its shape: the rows of the input, the columns that were fitted."""
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type.shape = [rows, operator.raw_operator.n_features_in_]


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a fitted scaler to the graph."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from skl2onnx.operator_converters.common import concatenate_variables

    scaler = operator.raw_operator
    scaling = scaling_of(
        scaler.moments_, with_mean=scaler.with_mean, with_std=scaler.with_std, inverse=False
    )
    plain = all(isinstance(variable.type, FloatTensorType) for variable in operator.inputs)
    narrow = plain and _fits_float32(scaling)
    kind = FloatTensorType if narrow else DoubleTensorType
    name = concatenate_variables(scope, operator.inputs, container, main_type=kind)
    nodes = _Nodes(scope, container, np.float32 if narrow else np.float64)
    for operation, values in _steps(scaling, narrow=narrow):
        name = nodes.add(operation, name, values)
    nodes.end(name, operator.outputs[0])


def _fits_float32(scaling: Scaling) -> bool:
    """Whether every factor and mean is an ordinary float32 number, or NaN."""
    info = np.finfo(np.float32)
    known = scaling.factor[~np.isnan(scaling.factor)]
    small = (np.abs(known) < info.tiny) | (np.abs(known) > info.max)
    huge = np.abs(np.nan_to_num(scaling.hi)) > info.max
    return scaling.power is None and not small.any() and not huge.any()


def _steps(scaling: Scaling, *, narrow: bool) -> list[tuple[str, Floats]]:
    """Return the operations and their operands; those that change nothing are left out."""
    hi, lo, factor = scaling.hi, scaling.lo, scaling.factor
    if narrow:
        rounded = hi.astype(np.float32)
        hi, lo = rounded.astype(np.float64), (hi - rounded.astype(np.float64)) + lo
    steps = [("Sub", hi), ("Sub", lo), ("Mul", factor)]
    if scaling.power is not None:
        steps.insert(0, ("Mul", np.exp2(scaling.power.astype(np.float64))))
    return [(name, x) for name, x in steps if (x != (name == "Mul")).any()]


class _Nodes:
    """Nodes of one operand each, chained by name."""

    def __init__(self, scope: Any, container: Any, dtype: type[np.floating[Any]]) -> None:
        self._scope, self._container, self._dtype = scope, container, dtype

    def add(self, operation: str, name: str, values: Floats) -> str:
        """Add an operation with a constant, and return the name of its result."""
        from skl2onnx.proto import onnx_proto

        kinds = {
            np.float32: onnx_proto.TensorProto.FLOAT,
            np.float64: onnx_proto.TensorProto.DOUBLE,
        }
        constant = self._scope.get_unique_variable_name("scaling")
        result = self._scope.get_unique_variable_name("scaled")
        self._container.add_initializer(
            constant, kinds[self._dtype], [1, len(values)], values.astype(self._dtype).tolist()
        )
        self._container.add_node(
            operation,
            [name, constant],
            result,
            name=self._scope.get_unique_operator_name(operation),
        )
        return result

    def end(self, name: str, output: Any) -> None:
        """Add the last node: into the output, and into its type."""
        from skl2onnx.common.data_types import guess_proto_type

        self._container.add_node(
            "Cast",
            name,
            output.full_name,
            to=guess_proto_type(output.type),
            name=self._scope.get_unique_operator_name("Cast"),
        )
