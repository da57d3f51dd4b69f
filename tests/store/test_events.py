"""What stock TensorBoard sees of a recording."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from recordings import parameters, record, two_sites
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.tensorflow_stub.errors import OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.util import tensor_util

from limelight.store import Writer, open_run
from limelight.store.tensorboard.summaries import due


def events(run_dir):
    """Read with TensorBoard's own reader, which checks every checksum."""
    records = []
    for path in sorted(run_dir.glob("events.out.tfevents.*")):
        reader = PyRecordReader_New(str(path))
        while True:
            try:
                reader.GetNext()
            except OutOfRangeError:
                break
            records.append(event_pb2.Event.FromString(reader.record()))
    return records


@pytest.fixture
def summaries(run_dir):
    """Values by tag and step."""
    return {
        (value.tag, event.step): value for event in events(run_dir) for value in event.summary.value
    }


def test_the_file_begins_as_event_files_do(run_dir):
    first, *rest = events(run_dir)
    assert first.file_version == "brain.Event:2"
    assert [event.step for event in rest] == [0, 10, 20]


def test_every_step_has_a_pointer_with_the_schema_version(summaries):
    for step in (0, 10, 20):
        pointer = summaries["limelight/index", step]
        assert tensor_util.make_ndarray(pointer.tensor) == step
    described = summaries["limelight/index", 0].metadata
    assert described.plugin_data.plugin_name == "limelight"
    assert described.plugin_data.content == b"1"
    assert described.data_class == summary_pb2.DATA_CLASS_TENSOR


def test_mean_measures_are_scalars(run_dir, summaries):
    from limelight.store import open_run

    measured = open_run(run_dir).measures(10).sel(step=10, site="encoder/attention")
    value = summaries["attention/encoder/attention/entropy", 10]
    np.testing.assert_allclose(
        tensor_util.make_ndarray(value.tensor), measured["entropy"].mean(), rtol=1e-5
    )
    described = summaries["attention/encoder/attention/entropy", 0].metadata
    assert described.plugin_data.plugin_name == "scalars"
    assert described.data_class == summary_pb2.DATA_CLASS_SCALAR
    assert ("attention/pool/distance", 0) not in summaries


def test_weights_are_histograms(summaries):
    value = summaries["weights/dense/kernel", 20]
    bins = tensor_util.make_ndarray(value.tensor)
    wanted = parameters(20).sel(parameter="dense/kernel")
    edges = np.linspace(wanted["low"].item(), wanted["high"].item(), 65)
    np.testing.assert_array_equal(bins[:, 0], edges[:-1])
    np.testing.assert_array_equal(bins[:, 1], edges[1:])
    np.testing.assert_array_equal(bins[:, 2], wanted["count"])
    described = summaries["weights/dense/kernel", 0].metadata.plugin_data
    assert described.plugin_name == histogram_metadata.PLUGIN_NAME
    assert histogram_metadata.parse_plugin_metadata(described.content).version == 0


def test_a_tensor_without_a_finite_value_has_no_histogram(tmp_path):
    numbers = parameters()
    numbers["count"][1] = 0
    with Writer(tmp_path) as writer:
        writer.append(0, parameters=numbers)
    (event,) = events(tmp_path)[1:]
    tags = [value.tag for value in event.summary.value]
    assert tags == ["limelight/index", "weights/dense/kernel"]


def test_padding_examples_do_not_spoil_a_mean_and_nan_does(tmp_path):
    sites = two_sites()
    sites["encoder/attention"]["query_valid"][1] = False
    with Writer(tmp_path) as writer:
        record(writer, 0, sites)
        sites["encoder/attention"]["weights"][0] = np.nan
        record(writer, 1, sites)
    first, second = (
        {value.tag: tensor_util.make_ndarray(value.tensor) for value in event.summary.value}
        for event in events(tmp_path)[1:]
    )
    assert np.isfinite(first["attention/encoder/attention/entropy"])
    assert np.isnan(second["attention/encoder/attention/entropy"])
    assert "attention/encoder/attention/nan_rows" not in first


def test_one_row_that_is_nan_leaves_a_mean_of_the_others_and_is_counted(tmp_path):
    sites = two_sites()
    with Writer(tmp_path) as writer:
        record(writer, 0, sites)
        sites["encoder/attention"]["weights"][0, 0, 1] = np.nan  # one row of a head
        record(writer, 1, sites)
        sites["encoder/attention"]["weights"][:, 0] = np.nan  # one head, everywhere
        record(writer, 2, sites)
    *means, last = (
        {value.tag: tensor_util.make_ndarray(value.tensor) for value in event.summary.value}
        for event in events(tmp_path)[1:]
    )
    run, tag = open_run(tmp_path), "attention/encoder/attention/"
    for step, scalars in enumerate([*means, last]):
        measured = run.measures(step).sel(step=step, site="encoder/attention")
        np.testing.assert_allclose(
            scalars[f"{tag}entropy"], measured["entropy"].mean(skipna=True), rtol=1e-5
        )
    assert [scalars.get(f"{tag}nan_rows") for scalars in means] == [None, 1]
    valid = sites["encoder/attention"].get("query_valid")
    rows = sites["encoder/attention"].sizes["example"] * sites["encoder/attention"].sizes["query"]
    assert last[f"{tag}nan_rows"] == (rows if valid is None else valid.sum().item())


def test_two_files_of_one_second_do_not_meet(tmp_path):
    for step in range(3):
        with Writer(tmp_path) as writer:
            writer.append(step, parameters=parameters(), time=1.5)
    assert [event.step for event in events(tmp_path) if event.summary.value] == [0, 1, 2]


def test_writing_imports_no_tensorflow():
    program = (
        "import sys, tempfile, numpy as np, xarray as xr\n"
        "from limelight.store import Writer\n"
        "w = xr.DataArray(np.ones((1, 1, 1, 1), 'f4'), dims=('example', 'head', 'query', 'key'))\n"
        "tree = xr.DataTree.from_dict({'a': xr.Dataset({'weights': w})})\n"
        "Writer(tempfile.mkdtemp()).append(0, tree=tree)\n"
        "assert not {'tensorflow', 'keras', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


class TestDeletedWhileTraining:
    def test_tensorboard_lists_the_run_again(self, tmp_path):
        import shutil

        from tensorboard.backend.event_processing import plugin_event_multiplexer as multiplexing

        folder = tmp_path / "logs" / "run"
        with Writer(folder) as writer:
            for step in range(4):
                if step == 2:
                    shutil.rmtree(folder)
                record(writer, step, two_sites(step), parameters=parameters(step))
        seen = multiplexing.EventMultiplexer()
        seen.AddRunsFromDirectory(str(tmp_path / "logs"))
        seen.Reload()
        assert seen.PluginRunToTagToContent("limelight")["run"] == {"limelight/index": b"1"}
        assert seen.PluginRunToTagToContent("scalars")["run"]
        assert [event.step for event in events(folder)[1:]] == [2, 3]
        assert open_run(folder).steps.tolist() == [2, 3]


def test_long_recordings_are_thinned_for_stock_dashboards_and_end_with_the_last_state(tmp_path):
    with Writer(tmp_path) as writer:
        for step in range(0, 430, 10):
            writer.append(step, parameters=parameters(step))
    written = {
        (value.tag, event.step) for event in events(tmp_path) for value in event.summary.value
    }
    tags = {tag for tag, _ in written} - {"limelight/index"}
    assert tags
    for tag in tags:
        steps = sorted(step for known, step in written if known == tag)
        assert steps == [*range(0, 100, 10), *range(100, 200, 20), *range(200, 400, 40), 400, 420]
        # As Keras' own callback calls those of a layer of the same name.
        assert not tag.endswith("/histogram")
    assert len([step for tag, step in written if tag == "limelight/index"]) == 43
    assert len(open_run(tmp_path).steps) == 43


def test_what_stock_dashboards_hold_grows_by_the_logarithm():
    assert sum(due(number, 10) for number in range(2_000)) < 60
    assert sum(due(number, 10) for number in range(64_000)) < 90
