"""The scaler as an ONNX graph: what onnxruntime makes of it, beside the exact answer."""

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
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # skl2onnx' own
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    seconds = rng.normal(1.7e9, 5000, 500)
    columns = seconds, rng.normal(size=500), np.full(500, 7.25), rng.normal(1e6, 1, 500)
    return np.column_stack(columns).astype(np.float32)


def run(model, *inputs):
    """What onnxruntime computes, with a graph that was made for these inputs."""
    graph = to_onnx(model, inputs[0][:1]) if len(inputs) == 1 else model
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [given.name for given in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))[0]


def exact(scaler, x):
    return scaler.transform(x.astype(np.float64))


def test_float32_is_right_to_two_ulp_at_any_offset(x):
    """sklearn-onnx #479: with scikit-learn's scaler it is off by 0.01 standard deviations."""
    scaler = StandardScaler().fit(x)
    right = exact(scaler, x)
    result = run(scaler, x)
    assert result.dtype == np.float32
    assert (np.abs(result - right) <= 2 * np.spacing(np.abs(right).astype(np.float32))).all()
    theirs = run(preprocessing.StandardScaler().fit(x), x)
    assert np.abs(theirs - right).max() > 0.01


def test_float64_has_the_bits_of_transform(x):
    x = x.astype(np.float64)
    scaler = StandardScaler().fit(x)
    np.testing.assert_array_equal(run(scaler, x), scaler.transform(x))


def test_integers_are_centred_before_they_are_rounded(x):
    x = x.astype(np.int64)
    scaler = StandardScaler().fit(x)
    np.testing.assert_array_equal(run(scaler, x), scaler.transform(x).astype(np.float32))


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("std", [True, False])
def test_the_graph_does_what_the_parameters_say(x, mean, std):
    scaler = StandardScaler(with_mean=mean, with_std=std).fit(x)
    np.testing.assert_allclose(run(scaler, x), scaler.transform(x), rtol=3e-7)


def test_factors_that_are_no_float32_go_through_float64():
    x = np.array([[0.0], [2.0**-129]], np.float32)
    scaler = StandardScaler().fit(x)
    assert run(scaler, x).tolist() == [[-1], [1]]


def test_means_near_the_limits_of_float64_do_not_overflow():
    x = np.array([[1.6e308], [-1.6e308], [1.7e308]])
    scaler = StandardScaler().fit(x)
    np.testing.assert_allclose(run(scaler, x), scaler.transform(x), rtol=1e-15)


def test_nan_stays(x):
    x[3, 1] = np.nan
    result = run(StandardScaler().fit(x), x)
    assert np.argwhere(np.isnan(result)).tolist() == [[3, 1]]


def test_a_pipeline_predicts_the_same(x):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, x[:, 1] > 0)
    assert run(model, x).tolist() == model.predict(x).tolist()


def test_a_column_transformer_gives_the_same(x):
    model = ColumnTransformer(
        [("both", StandardScaler(), [0, 3]), ("mean", StandardScaler(with_std=False), [1])]
    ).fit(x)
    np.testing.assert_allclose(run(model, x), model.transform(x), rtol=1e-6, atol=1e-6)


def test_inputs_of_several_types_are_put_beside_each_other(x):
    given = x[:, :1].astype(np.int64), x[:, 1:2]
    whole = np.concatenate(given, axis=1)
    scaler = StandardScaler().fit(whole)
    types = [("time", Int64TensorType([None, 1])), ("value", FloatTensorType([None, 1]))]
    result = run(convert_sklearn(scaler, initial_types=types), *given)
    np.testing.assert_array_equal(result, scaler.transform(whole).astype(np.float32))
