"""Data of eight kinds is one data: the same partitions, the same digest."""

import numpy as np
import pytest

from limelight.capture import Probe
from limelight.errors import StudyError
from limelight.studying.data import Data

X = np.arange(70 * 3).reshape(70, 3)
Y = np.arange(70) % 2


class Rows:
    """Like a Dataset of Hugging Face: rows by number, and columns."""

    column_names = ("input_ids", "labels")
    features = ("input_ids", "labels")

    def __len__(self):
        return len(X)

    def __getitem__(self, row):
        return {"input_ids": X[row].tolist(), "labels": int(Y[row])}


def collated(rows):
    return {
        "input_ids": np.array([row["input_ids"] for row in rows]),
        "labels": np.array([row["labels"] for row in rows]),
    }


class Again:
    def __iter__(self):
        return iter([(X[:9], Y[:9]), (X[9:], Y[9:])])


KINDS = {
    "arrays": (X, Y),
    "mapping": {"input_ids": X, "labels": Y},
    "probe": Probe(X, labels=list(Y)),
    "batches": [(X[:9], Y[:9]), (X[9:], Y[9:])],
    "re-iterable": Again(),
    "rows": Rows(),
    "small numbers": (X.astype(np.int16), Y.astype(np.int32)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_give_one_digest(kind):
    data = Data(KINDS[kind], collate=collated if kind == "rows" else None)
    scan = data.scan()
    assert scan == Data((X, Y)).scan()
    assert scan.firsts == (0, 32, 64)
    parts = list(data.partitions())
    np.testing.assert_array_equal(np.concatenate([part.probe.arrays[0] for part in parts]), X)
    np.testing.assert_array_equal(np.concatenate([part.targets for part in parts]), Y)


def test_kinds_of_keras_and_tensorflow():
    tf = pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 7

        def __getitem__(self, at):
            return X[at * 10 : at * 10 + 10], Y[at * 10 : at * 10 + 10]

    whole = Data((X, Y)).scan()
    assert Data(tf.data.Dataset.from_tensor_slices((X, Y)).batch(11)).scan() == whole
    assert Data(Batches()).scan() == whole
    with pytest.raises(StudyError, match="other examples"):
        _read_twice(tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(70).batch(7))


def _read_twice(data):
    from limelight.studying.passes import checked

    read = Data(data)
    list(checked(read, read.scan()))


def test_other_values_have_another_digest():
    other = X.copy()
    other[69, 2] += 1
    scans = {Data(pair).scan().digest for pair in ((X, Y), (other, Y), (X, 1 - Y), (X[::-1], Y))}
    assert len(scans) == 4


def test_sentences_of_several_lengths_are_partitions_of_their_own():
    data = [(np.ones((20, 5), int), np.zeros(20, int)), (np.ones((20, 7), int), np.zeros(20, int))]
    assert [part.size for part in Data(data, rows=16).partitions()] == [16, 4, 16, 4]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (iter([(X, Y)]), "read once only"),
        ((batch for batch in [(X, Y)]), "read once only"),
        ([], "without an example"),
        ([(X, Y, Y)], "batches of three"),
        ((X, Y[:9]), "targets of shape"),
        (7, "data of type int"),
    ],
    ids=str,
)
def test_what_is_no_data_says_so(data, message):
    with pytest.raises(StudyError, match=message):
        Data(data).scan()
