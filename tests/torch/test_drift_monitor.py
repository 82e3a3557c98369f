"""`DriftMonitor`: the input of a deployed layer, compared with what it was fitted on."""

import copy
import io
import logging
import threading

import numpy as np
import pandas as pd
import pytest

import evenly

torch = pytest.importorskip("torch")

from evenly.torch import DriftMonitor, Normalize  # noqa: E402


def batches(rows=2000, shift=0.0, seed=1):
    x = torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed))
    return x + torch.tensor([0.0, shift, 0.0])


@pytest.fixture
def layer():
    return Normalize.fit(batches(seed=0)).eval()


def feed(model, x, size=100):
    with torch.no_grad():
        for batch in x.split(size):
            model(batch)


def test_moments_are_those_of_all_batches(layer):
    monitor, x = DriftMonitor(layer, every=None), batches()
    feed(layer, x)
    assert monitor.moments == evenly.fit(x)
    assert monitor.moments.dtypes == ("float32",) * 3


def test_output_does_not_change(layer):
    x = batches()
    before = layer(x)
    DriftMonitor(layer)
    assert torch.equal(layer(x), before)


def test_comparison_is_that_of_compare(layer):
    monitor = DriftMonitor(layer, every=None)
    feed(layer, batches(shift=0.5))
    comparison = monitor.compare()
    expected = evenly.compare(layer.moments, evenly.fit(batches(shift=0.5)))
    assert [c.shift for c in comparison.columns] == [c.shift for c in expected.columns]
    assert [(c.name, c.over) for c in comparison.over] == [(1, ("mean",))]
    assert monitor.comparison is comparison


def test_similar_data_is_silent(layer, caplog):
    DriftMonitor(layer, every=100, on_drift="error")
    feed(layer, batches(5000))
    assert caplog.records == []


def test_drift_is_logged_once(layer, caplog):
    DriftMonitor(layer, every=500)
    feed(layer, batches(5000, shift=0.5))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("evenly", logging.WARNING)
    assert record.getMessage().startswith(
        "The input of Normalize differs from the data that it was fitted on: over the limit of 0.1"
    )
    assert "1 of 3 columns: 1 (mean +0." in record.getMessage()


def test_drift_is_logged_again_for_another_column(layer, caplog):
    DriftMonitor(layer, every=500)
    x = batches(5000, shift=0.5)
    x[2500:, 2] += 5
    feed(layer, x)
    assert len(caplog.records) >= 2


def test_drift_calls_a_function(layer):
    found = []
    DriftMonitor(layer, every=1000, on_drift=found.append)
    feed(layer, batches(5000, shift=0.5))
    assert [column.name for column in found[0].over] == [1]


def test_drift_raises_an_error(layer):
    DriftMonitor(layer, every=1000, on_drift="error")
    with pytest.raises(
        evenly.DataError,
        match=r"must be like the data that it was fitted on\. Received: over the limit of 0\.1.* "
        r"Find out what changed, or fit the layer again\.",
    ):
        feed(layer, batches(shift=0.5))


def test_every_counts_rows(layer):
    seen = []
    monitor = DriftMonitor(layer, every=250, on_drift=lambda c: seen.append(c.rows[1]))
    monitor.limit = 0.0
    feed(layer, batches(1000, shift=3.0))
    assert seen[0] == 300  # the first batch of 100 that reaches it


def test_names_are_those_of_the_statistics():
    x = batches().numpy()
    layer = Normalize.from_moments(evenly.fit(pd.DataFrame(x, columns=list("abc")))).eval()
    monitor = DriftMonitor(layer, every=None)
    feed(layer, batches(shift=0.5))
    assert [column.name for column in monitor.compare().over] == ["b"]


def test_distribution_is_kept_if_the_layer_has_one():
    layer = Normalize.from_moments(evenly.fit(batches(seed=0), distribution=True)).eval()
    monitor = DriftMonitor(layer, every=None)
    feed(layer, batches())
    assert monitor.moments.distribution
    assert monitor.compare().columns[0].shape is not None


def test_times_are_in_the_unit_of_the_statistics():
    times = pd.date_range("2026-01-01", periods=1000, freq="h").astype("datetime64[s]")
    moments = evenly.fit(pd.DataFrame({"t": times}), columns=["t"])
    layer = Normalize.from_moments(moments).eval()
    monitor = DriftMonitor(layer, every=None)
    feed(layer, torch.tensor(times.astype("int64").to_numpy(), dtype=torch.float64)[:, None])
    assert monitor.compare().over == ()
    assert monitor.compare()["t"].change == ""


def test_pixels_between_0_and_1_are_compared_with_those_up_to_255():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 3, 4, 4), np.uint8)
    moments = evenly.fit(pixels, feature_axis=1)
    layer = Normalize.from_moments(moments, scale="0..1").eval()
    monitor = DriftMonitor(layer, every=None)
    layer(torch.tensor(pixels) / 255)
    assert monitor.compare().over == ()
    assert monitor.moments.mean == pytest.approx(moments.mean, rel=1e-6)


def test_missing_values_and_infinities_count_as_missing(layer):
    monitor = DriftMonitor(layer, every=None)
    x = batches(100)
    x[:30, 0], x[30:50, 0] = torch.nan, torch.inf
    feed(layer, x)
    assert monitor.moments.missing.tolist() == [50, 0, 0]
    assert monitor.compare()[0].over == ("missing",)


def test_one_row_without_a_batch_axis():
    layer = Normalize.fit(batches(seed=0).numpy(), feature_axis=-1).eval()
    monitor = DriftMonitor(layer, every=None)
    layer(batches()[0])
    assert monitor.moments.rows == 1


def test_input_by_keyword(layer):
    monitor = DriftMonitor(layer, every=None)
    layer(input=batches(10))
    assert monitor.moments.rows == 10


def test_batches_that_the_layer_learns_from_are_not_counted(layer):
    monitor = DriftMonitor(layer, every=None)
    layer.unfreeze().train()
    layer(batches(100))
    assert monitor.moments.rows == 0
    layer.eval()
    layer(batches(100))
    assert monitor.moments.rows == 100


def test_removed_monitor_observes_nothing(layer):
    with DriftMonitor(layer, every=None) as monitor:
        layer(batches(10))
    layer(batches(10))
    assert monitor.moments.rows == 10


def test_reset_forgets(layer, caplog):
    monitor = DriftMonitor(layer, every=500)
    feed(layer, batches(1000, shift=0.5))
    monitor.reset()
    assert monitor.moments.rows == 0
    assert monitor.comparison is None
    feed(layer, batches(1000, shift=0.5))
    assert len(caplog.records) == 2


def test_wrong_input_is_the_layers_error(layer):
    DriftMonitor(layer)
    with pytest.raises(evenly.DataError, match="The input must have 3 features"):
        layer(torch.zeros(5, 4))


# ---- Workers ----


def test_workers_merge_to_the_bits_of_one(layer, tmp_path):
    x = batches(3000)
    parts = []
    for index, part in enumerate(x.split(1000)):
        worker = copy.deepcopy(layer)
        parts.append(DriftMonitor(worker, every=None))
        feed(worker, part, size=100 + index)
    parts[2].save(tmp_path / "two.json")
    total = DriftMonitor(layer, every=None).merge(parts[0], parts[1].moments, tmp_path / "two.json")
    assert total.moments == evenly.fit(x)


def test_state_dict_round_trips(layer):
    monitor = DriftMonitor(layer, every=None)
    feed(layer, batches())
    file = io.BytesIO()
    torch.save(monitor.state_dict(), file)
    file.seek(0)
    other = DriftMonitor(layer, every=None)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other.moments == monitor.moments


def test_damaged_state_changes_nothing(layer):
    monitor = DriftMonitor(layer, every=None)
    feed(layer, batches())
    before, state = monitor.moments, monitor.state_dict()
    state["moments"] = state["moments"][:-20]
    with pytest.raises(evenly.StatisticsFileError):
        monitor.load_state_dict(state)
    assert monitor.moments == before


def test_state_of_other_columns_is_refused(layer):
    state = DriftMonitor(Normalize.fit(torch.randn(9, 2)).eval(), every=None)
    feed(state.normalize, torch.randn(9, 2))
    monitor = DriftMonitor(layer)
    with pytest.raises(evenly.ColumnError, match=r"same number of columns\. Received: 3 and 2"):
        monitor.load_state_dict(state.state_dict())
    with pytest.raises(evenly.ColumnError, match=r"same number of columns\. Received: 3 and 2"):
        monitor.merge(state)


def test_several_threads(layer):
    monitor = DriftMonitor(layer, every=100)
    x = batches(4000)
    threads = [threading.Thread(target=feed, args=(layer, part)) for part in x.split(1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.moments == evenly.fit(x)


# ---- Models that are compiled, copied, saved or exported ----


@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_compiled_model_is_observed(layer):
    model = torch.nn.Sequential(layer, torch.nn.Linear(3, 2)).eval()
    monitor = DriftMonitor(layer, every=None)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = batches(300)
    with torch.no_grad():
        for batch in x.split(100):
            assert torch.equal(compiled(batch), model(batch))
    assert monitor.moments == evenly.fit(torch.cat([x, x]))


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_exported_model_has_no_monitor(layer):
    monitor = DriftMonitor(layer, every=None)
    model = torch.nn.Sequential(layer, torch.nn.Linear(3, 2)).eval()
    exported = torch.export.export(model, (batches(10),))
    exported.module()(batches(10))
    traced = torch.jit.trace(model, batches(10))
    traced(batches(10))
    assert "observe" not in str(exported.graph)
    assert monitor.moments.rows <= 20  # of tracing, which runs the model


def test_vmap_is_observed(layer):
    monitor, x = DriftMonitor(layer, every=None), batches(60).reshape(4, 15, 3)
    assert torch.equal(torch.func.vmap(layer)(x), torch.stack([layer(part) for part in x]))
    assert monitor.moments == evenly.fit(torch.cat([x, x]).reshape(120, 3))


def test_copied_model_has_its_own_monitor(layer):
    monitor = DriftMonitor(layer, every=None)
    other = copy.deepcopy(layer)
    other(batches(10))
    assert monitor.moments.rows == 0


def test_model_with_a_monitor_can_be_saved(layer):
    DriftMonitor(layer, every=None)
    layer(batches(10))
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert torch.equal(loaded(batches(10)), layer(batches(10)))
    assert layer.state_dict().keys() == loaded.state_dict().keys()


def test_gradients_flow_to_the_input(layer):
    DriftMonitor(layer)
    x = batches(10).requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None


# ---- Arguments ----


def test_layer_without_statistics():
    with pytest.raises(evenly.DataError, match="Received: a Normalize without any"):
        DriftMonitor(Normalize(3))


def test_something_else_than_a_layer():
    with pytest.raises(evenly.UnsupportedTypeError, match="observes one Normalize layer"):
        DriftMonitor(torch.nn.Linear(3, 3))


@pytest.mark.parametrize("every", [0, -1, 2.5, "100"])
def test_invalid_every(layer, every):
    with pytest.raises(evenly.DataError, match="every must be a positive number of rows, or None"):
        DriftMonitor(layer, every=every)


def test_invalid_on_drift(layer):
    with pytest.raises(evenly.DataError, match="on_drift must be 'log' or 'error'"):
        DriftMonitor(layer, on_drift="ignore")


def test_invalid_limit(layer):
    with pytest.raises(evenly.DataError, match="limit must be a number"):
        DriftMonitor(layer, limit=-1)


def test_merge_of_something_else(layer):
    with pytest.raises(evenly.UnsupportedTypeError, match="merge adds monitors, moments and paths"):
        DriftMonitor(layer).merge(3)


@pytest.mark.parametrize("every", [True, 0, -1, 2.0, "5"])
def test_every_must_be_a_positive_integer(layer, every):
    with pytest.raises(evenly.DataError, match="every must be a positive number of rows"):
        DriftMonitor(layer, every=every)


def test_every_may_be_an_integer_of_numpy(layer):
    assert type(DriftMonitor(layer, every=np.int64(5)).every) is int


def test_function_that_raises_an_error_is_called_again(layer):
    calls = []

    def fail(comparison):
        calls.append(comparison.rows[1])
        if len(calls) < 3:
            raise ConnectionError("the alert was not sent")

    monitor = DriftMonitor(layer, every=100, on_drift=fail)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            layer(batches(100, shift=9.0))
    feed(layer, batches(300, shift=9.0))
    assert calls == [100, 200, 300]
    assert monitor.moments.rows == 500


@pytest.mark.parametrize("state", [{}, {"weight": torch.zeros(3)}, {"moments": b"{}"}])
def test_state_of_something_else_is_refused(layer, state):
    monitor = DriftMonitor(layer)
    with pytest.raises(evenly.DataError, match="under the key 'moments'"):
        monitor.load_state_dict(state)
