"""Tests of the ONNX conversion: onnxruntime's results against the exact ones."""

import numpy as np
import onnxruntime
import pytest
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn import preprocessing
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from evenly.sklearn import StandardScaler

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # raised by skl2onnx
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    seconds = rng.normal(1.7e9, 5000, 500)
    columns = seconds, rng.normal(size=500), np.full(500, 7.25), rng.normal(1e6, 1, 500)
    return np.column_stack(columns).astype(np.float32)


def run(model, *inputs):
    """Run a model in onnxruntime; an estimator is converted first."""
    graph = to_onnx(model, inputs[0][:1]) if len(inputs) == 1 else model
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [tensor.name for tensor in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))[0]


def exact(scaler, x):
    return scaler.transform(x.astype(np.float64))


def test_onnx_float32_is_within_two_ulp_at_any_offset(x):
    """sklearn-onnx #479: the graph of scikit-learn's scaler is off by 0.01 standard deviations."""
    scaler = StandardScaler().fit(x)
    right = exact(scaler, x)
    result = run(scaler, x)
    assert result.dtype == np.float32
    assert (np.abs(result - right) <= 2 * np.spacing(np.abs(right).astype(np.float32))).all()
    theirs = run(preprocessing.StandardScaler().fit(x), x)
    assert np.abs(theirs - right).max() > 0.01


def test_onnx_float64_equals_transform(x):
    x = x.astype(np.float64)
    scaler = StandardScaler().fit(x)
    np.testing.assert_array_equal(run(scaler, x), scaler.transform(x))


def test_onnx_centers_integers_before_rounding(x):
    x = x.astype(np.int64)
    scaler = StandardScaler().fit(x)
    np.testing.assert_array_equal(run(scaler, x), scaler.transform(x).astype(np.float32))


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("std", [True, False])
def test_onnx_graph_follows_with_mean_and_with_std(x, mean, std):
    scaler = StandardScaler(with_mean=mean, with_std=std).fit(x)
    np.testing.assert_allclose(run(scaler, x), scaler.transform(x), rtol=3e-7)


def test_onnx_uses_float64_for_factors_beyond_float32():
    x = np.array([[0.0], [2.0**-129]], np.float32)
    scaler = StandardScaler().fit(x)
    assert run(scaler, x).tolist() == [[-1], [1]]


def test_onnx_means_near_limits_of_float64_do_not_overflow():
    x = np.array([[1.6e308], [-1.6e308], [1.7e308]])
    scaler = StandardScaler().fit(x)
    np.testing.assert_allclose(run(scaler, x), scaler.transform(x), rtol=1e-15)


def test_onnx_keeps_nan(x):
    x[3, 1] = np.nan
    result = run(StandardScaler().fit(x), x)
    assert np.argwhere(np.isnan(result)).tolist() == [[3, 1]]


def test_onnx_pipeline_predicts_the_same(x):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, x[:, 1] > 0)
    assert run(model, x).tolist() == model.predict(x).tolist()


def test_onnx_column_transformer_returns_the_same(x):
    model = ColumnTransformer(
        [("both", StandardScaler(), [0, 3]), ("mean", StandardScaler(with_std=False), [1])]
    ).fit(x)
    np.testing.assert_allclose(run(model, x), model.transform(x), rtol=1e-6, atol=1e-6)


def test_onnx_concatenates_inputs_of_several_types(x):
    inputs = x[:, :1].astype(np.int64), x[:, 1:2]
    x = np.concatenate(inputs, axis=1)
    scaler = StandardScaler().fit(x)
    types = [("time", Int64TensorType([None, 1])), ("value", FloatTensorType([None, 1]))]
    result = run(convert_sklearn(scaler, initial_types=types), *inputs)
    np.testing.assert_array_equal(result, scaler.transform(x).astype(np.float32))
