"""Tests that `StandardScaler` keeps the contract of scikit-learn's estimators."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn import preprocessing
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import evenly
from evenly.errors import ColumnError, DataError
from evenly.sklearn import StandardScaler

PARAMETERS = [
    {"with_mean": mean, "with_std": std} for mean in (True, False) for std in (True, False)
]
ATTRIBUTES = ("mean_", "var_", "scale_", "n_samples_seen_", "n_features_in_")


@pytest.fixture
def x():
    data = np.random.default_rng(0).normal(3, 2, (50, 3))
    data[::7, 1] = np.nan
    return data


@pytest.fixture
def frame(x):
    return pd.DataFrame(x, columns=["a", "b", "c"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([StandardScaler(**parameters) for parameters in PARAMETERS])
def test_estimator_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "bool"])
def test_attributes_and_results_equal_scikit_learn(parameters, dtype):
    x = np.random.default_rng(1).integers(0, 2, (40, 3)).astype(dtype)
    ours, theirs = (
        cls(**parameters).fit(x) for cls in (StandardScaler, preprocessing.StandardScaler)
    )
    for name in ATTRIBUTES:
        mine, other = getattr(ours, name), getattr(theirs, name)
        if name != "n_samples_seen_":  # scikit-learn documents int, and returns float
            assert type(mine) is type(other), name
        if other is not None:
            np.testing.assert_allclose(mine, other, rtol=1e-12, err_msg=name)
    for method in ("transform", "inverse_transform"):
        mine, other = getattr(ours, method)(x), getattr(theirs, method)(x)
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)


def test_float16_keeps_its_dtype(x):
    assert StandardScaler().fit_transform(x.astype(np.float16)).dtype == np.float16


def test_n_samples_seen_is_scalar_unless_columns_differ(x):
    assert StandardScaler().fit(x[:, :1]).n_samples_seen_ == 50
    assert StandardScaler().fit(x).n_samples_seen_.tolist() == [50, 42, 50]


def test_n_samples_seen_is_float_after_weights(x):
    scaler = StandardScaler().fit(x[:, :1], sample_weight=np.full(50, 2))
    assert (type(scaler.n_samples_seen_), scaler.n_samples_seen_) == (np.float64, 100.0)


def test_attributes_do_not_exist_before_fit(x):
    scaler = StandardScaler()
    assert not any(hasattr(scaler, name) for name in (*ATTRIBUTES, "moments_"))
    with pytest.raises(AttributeError, match=r"no attribute 'mean_' before it is fitted. Call fit"):
        _ = scaler.mean_
    with pytest.raises(NotFittedError):
        scaler.transform(x)


def test_attributes_cannot_be_set(x):
    with pytest.raises(AttributeError, match=r"mean_ is computed from moments_.*from_moments"):
        StandardScaler().fit(x).mean_ = 0


def test_isinstance_and_repr_of_scikit_learn_scaler(x):
    scaler = StandardScaler().fit(x)
    assert isinstance(scaler, preprocessing.StandardScaler)
    assert repr(scaler) == "StandardScaler()"
    assert "mean_" in scaler._repr_html_()


def test_fit_discards_earlier_fits(x):
    assert StandardScaler().fit(x + 7).fit(x).moments_ == evenly.fit(x)


@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
def test_failed_fit_leaves_scaler_unchanged(frame, fit):
    scaler = StandardScaler().fit(frame)
    with pytest.raises(DataError, match="infinity in column"):
        getattr(scaler, fit)(frame.replace(frame.iloc[0, 0], np.inf))
    assert scaler.moments_ == evenly.fit(frame)
    assert scaler.get_feature_names_out().tolist() == ["a", "b", "c"]


def test_failed_fit_leaves_no_feature_names(frame, x):
    scaler = StandardScaler().fit(x)
    with pytest.raises(DataError):
        scaler.fit(frame.replace(frame.iloc[0, 0], np.inf))
    assert not hasattr(scaler, "feature_names_in_")
    scaler.transform(x)


def test_failed_first_partial_fit_leaves_scaler_unfitted():
    scaler = StandardScaler()
    with pytest.raises(DataError):
        scaler.partial_fit([[np.inf]])
    with pytest.raises(NotFittedError):
        scaler.transform([[0.0]])


@pytest.mark.parametrize("method", ["fit", "transform", "inverse_transform"])
def test_infinity_error_names_column_and_row(frame, method):
    scaler = StandardScaler().fit(frame)
    frame.loc[7, "c"] = -np.inf
    with pytest.raises(ValueError, match=r"Input X contains infinity.*column 'c', row 7"):
        getattr(scaler, method)(frame)


def test_infinities_pass_with_assume_finite(x):
    scaler = StandardScaler().fit(x)
    with sklearn.config_context(assume_finite=True):
        assert scaler.transform([[np.inf, 0, 0]])[0, 0] == np.inf


def test_negative_weights_raise(x):
    with pytest.raises(DataError, match=r"not negative. Received: -1.0 in row 0"):
        StandardScaler().fit(x, sample_weight=np.full(50, -1))


def test_inverse_transform_rejects_another_number_of_columns(x):
    with pytest.raises(DataError, match="X has 1 features, but StandardScaler is expecting 3"):
        StandardScaler().fit(x).inverse_transform(x[:, :1])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_copy_false_scales_floats_in_place(x, dtype):
    x = x.astype(dtype)
    expected = StandardScaler().fit_transform(x)
    assert StandardScaler(copy=False).fit(x).transform(x) is x
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("strides", ["F", "every other row"])
def test_copy_false_works_in_any_memory_layout(x, strides):
    x = np.asfortranarray(x) if strides == "F" else np.repeat(x, 2, axis=0)[::2]
    expected = StandardScaler().fit_transform(x)
    assert StandardScaler().fit(x).transform(x, copy=False) is x
    np.testing.assert_array_equal(x, expected)


def test_copy_true_leaves_input_unchanged(x):
    before = x.copy()
    scaler = StandardScaler().fit(x)
    scaler.inverse_transform(scaler.transform(x))
    np.testing.assert_array_equal(x, before)


def test_copy_false_does_not_write_to_read_only_memory(x):
    x.flags.writeable = False
    result = StandardScaler(copy=False).fit(x).transform(x)
    np.testing.assert_array_equal(result, StandardScaler().fit_transform(x))


@pytest.mark.parametrize("container", [list, pd.DataFrame, np.asfortranarray])
def test_moments_do_not_depend_on_container(x, container):
    data = x.tolist() if container is list else container(x)
    assert StandardScaler().fit(data).moments_ == evenly.fit(x)


def test_frame_of_several_dtypes_is_read_as_scikit_learn_does():
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": [True, False]})
    scaler = StandardScaler().fit(frame)
    assert scaler.mean_.tolist() == [1.5, 0.5, 0.5]
    assert scaler.moments_.columns == ("a", "b", "c")


def test_pandas_nullable_integers_can_be_missing():
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")})
    assert StandardScaler().fit(frame).n_samples_seen_ == 2


@pytest.mark.parametrize("transform", ["pandas", "polars"])
def test_set_output_returns_frames_with_names(frame, transform):
    result = StandardScaler().set_output(transform=transform).fit_transform(frame)
    assert type(result) is {"pandas": pd.DataFrame, "polars": pl.DataFrame}[transform]
    assert list(result.columns) == ["a", "b", "c"]


def test_array_after_frame_warns_as_in_scikit_learn(frame, x):
    scaler = StandardScaler().fit(frame)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        scaler.partial_fit(x)
    assert scaler.moments_.columns == ("a", "b", "c")


@pytest.mark.parametrize("copy_function", [pickle.dumps, copy.deepcopy, copy.copy])
def test_copies_and_pickles_are_fitted_and_equal(frame, copy_function):
    scaler = StandardScaler().fit(frame)
    twin = copy_function(scaler)
    twin = pickle.loads(twin) if isinstance(twin, bytes) else twin
    np.testing.assert_array_equal(twin.transform(frame), scaler.transform(frame))
    twin.partial_fit(frame)
    assert scaler.moments_ == evenly.fit(frame)


def test_clone_has_parameters_and_no_moments(x):
    twin = clone(StandardScaler(with_std=False, copy=False).fit(x))
    expected = {"copy": False, "with_mean": True, "with_std": False, "tolerance": 0.0}
    assert twin.get_params() == expected
    assert not hasattr(twin, "moments_")


def test_tolerance_leaves_nearly_constant_columns_unscaled():
    x = np.array([[0.1, 1.0], [np.nextafter(0.1, 1), 2.0], [0.1, 6.0]])
    scaler = StandardScaler(tolerance=1e-12).fit(x)
    assert scaler.scale_[0] == 1
    assert np.abs(scaler.transform(x)[:, 0]).max() < 1e-16
    np.testing.assert_array_equal(scaler.inverse_transform(scaler.transform(x))[:, 0], x[:, 0])
    assert StandardScaler().fit(x).scale_[0] < 1e-17
    with pytest.raises(ValueError, match="'tolerance' parameter"):
        StandardScaler(tolerance=1).fit(x)


def test_pickle_from_before_tolerance_existed(x):
    state = StandardScaler().fit(x).__getstate__()
    del state["tolerance"]
    old = StandardScaler.__new__(StandardScaler)
    old.__setstate__(state)
    np.testing.assert_array_equal(old.transform(x), StandardScaler().fit_transform(x))


def test_frozen_scaler_is_not_fitted_again(x):
    moments = evenly.fit(x)
    frozen = StandardScaler.from_moments(moments, frozen=True)
    pipeline = make_pipeline(frozen).fit(x + 100)
    np.testing.assert_array_equal(pipeline.transform(x), StandardScaler().fit_transform(x))
    assert clone(frozen).moments_ == moments
    assert make_pipeline(StandardScaler.from_moments(moments)).fit(x + 100)[0].moments_ != moments


def test_scaler_from_a_statistics_file(x, tmp_path):
    evenly.fit(x).save(tmp_path / "x.json")
    assert StandardScaler.from_moments(tmp_path / "x.json").moments_ == evenly.fit(x)
    groups = evenly.fit(x, by=np.arange(len(x)))
    with pytest.raises(evenly.UnsupportedTypeError, match=r"Received: GroupedMoments. Pass"):
        StandardScaler.from_moments(groups)


def test_fit_rejects_wrong_parameters(x):
    with pytest.raises(ValueError, match="'with_mean' parameter"):
        StandardScaler(with_mean="yes").fit(x)


def test_works_in_pipeline_column_transformer_and_grid_search(frame):
    frame = frame.fillna(0)
    y = (frame["a"] > 3).astype(int)
    columns = ColumnTransformer([("scaled", StandardScaler(), ["a", "c"])], remainder="passthrough")
    search = GridSearchCV(
        make_pipeline(columns, LogisticRegression()),
        {"columntransformer__scaled__with_std": [True, False]},
        cv=2,
    ).fit(frame, y)
    assert search.best_score_ > 0.8
    assert search.best_estimator_[0].get_feature_names_out()[0] == "scaled__a"


def test_metadata_routing_passes_sample_weights(x):
    weights = np.arange(50.0)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        model = make_pipeline(scaler, Ridge().set_fit_request(sample_weight=False))
        model.fit(np.nan_to_num(x), x[:, 0], sample_weight=weights)
    assert model[0].moments_ == evenly.fit(np.nan_to_num(x), weights=weights)


def test_from_moments_equals_fit(frame, tmp_path):
    evenly.fit(frame).save(tmp_path / "state.json")
    scaler = StandardScaler.from_moments(evenly.load(tmp_path / "state.json"))
    fitted = StandardScaler().fit(frame)
    np.testing.assert_array_equal(scaler.transform(frame), fitted.transform(frame))
    assert scaler.get_feature_names_out().tolist() == ["a", "b", "c"]
    assert scaler.n_features_in_ == 3


def test_from_moments_with_a_distribution_learns_further():
    x = np.arange(12.0).reshape(4, 3)
    scaler = StandardScaler.from_moments(evenly.fit(x, distribution=True)).partial_fit(x + 1)
    assert scaler.moments_ == evenly.fit(np.concatenate([x, x + 1]))
    assert scaler.moments_.median.tolist() == [5, 6, 7]


def test_from_moments_rejects_moments_without_rows():
    """Every result would be NaN."""
    with pytest.raises(DataError, match=r"one row\. Received: moments without rows"):
        StandardScaler.from_moments(evenly.Moments.empty(3))


def test_from_moments_rejects_moments_without_columns():
    with pytest.raises(DataError, match=r"one column and one row\. Received: moments without col"):
        StandardScaler.from_moments(evenly.Moments.empty())


def test_adding_scalers_of_other_columns_raises(frame):
    with pytest.raises(ColumnError):
        StandardScaler().fit(frame) + StandardScaler().fit(frame[["a", "b"]])


def test_adding_unfitted_scaler_raises(frame):
    with pytest.raises(NotFittedError):
        StandardScaler().fit(frame) + StandardScaler()


def test_sum_has_parameters_of_first_scaler(frame):
    total = StandardScaler(with_std=False).fit(frame) + StandardScaler().fit(frame)
    assert not total.with_std
    assert total.get_feature_names_out().tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values_whose_sum_overflows_are_finite(dtype):
    x = np.full((4, 3), np.finfo(dtype).max / 2, dtype)
    scaler = StandardScaler().fit(x)
    np.testing.assert_array_equal(scaler.transform(x), np.zeros((4, 3)))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_in_one_row_is_reported_with_its_place(value, x):
    row = np.array([[np.nan, 1.0, value]])
    with pytest.raises(DataError, match=r"contains infinity.*column 2, row 0"):
        StandardScaler().fit(x).transform(row)


def test_scaling_follows_the_parameters_and_the_moments(x):
    scaler = StandardScaler().fit(x)
    first = scaler.transform(x)
    scaler.set_params(with_mean=False)
    assert np.nanmax(np.abs(scaler.transform(x) - x / scaler.scale_)) < 1e-12
    scaler.set_params(with_mean=True)
    np.testing.assert_array_equal(scaler.transform(x), first)
    scaler.partial_fit(x * 7)
    again = StandardScaler().fit(np.concatenate([x, x * 7]))
    np.testing.assert_array_equal(scaler.transform(x), again.transform(x))


@pytest.mark.parametrize("rows", [np.ones((2, 4)), np.ones(3), np.ones((0, 3)), np.ones((2, 2, 3))])
def test_arrays_of_another_shape_are_refused_like_in_scikit_learn(rows, x):
    messages = []
    for cls in (StandardScaler, preprocessing.StandardScaler):
        with pytest.raises(ValueError) as caught:  # noqa: PT011  # the messages are compared
            cls().fit(x).transform(rows)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_array_without_names_warns_after_a_frame(frame):
    scaler = StandardScaler().fit(frame)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        scaler.transform(frame.to_numpy())
