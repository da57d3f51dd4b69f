"""The data of a study, read in its own order, a partition at a time.

Room: studying. Comes in: data of any kind of ``kinds/``. Goes out: partitions of so many examples,
as probes and targets, the same ones in each pass, and one digest whatever the kind. Never held
whole unless it came whole.
"""

from __future__ import annotations

import hashlib
import importlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture import Probe
from limelight.errors import StudyError
from limelight.rooms import members
from limelight.studying.recipe import Recipe

#: Examples of a partition, if nothing else is said.
ROWS: Final = 32
#: Names of targets in a mapping.
_TARGETS: Final = ("labels", "label", "targets", "target")


@dataclass(frozen=True, eq=False)
class Partition:
    """Some examples, one after the other.

    Attributes
    ----------
    first : int
        Number of its first example.
    probe : Probe
        What the model is called with.
    targets : array [example, …], optional
    """

    first: int
    probe: Probe
    targets: NDArray[Any] | None

    @property
    def size(self) -> int:
        """How many examples."""
        return self.probe.examples

    @property
    def digest(self) -> str:
        """A hash of all its values, whatever kind of data they came in."""
        return _digest(self)


@dataclass(frozen=True)
class Scan:
    """What one pass over data found.

    Attributes
    ----------
    examples : int
    digest : str
        Of all values, in hexadecimal digits.
    firsts : tuple of int
        Where partitions begin.
    digests : tuple of str
        Of each partition: another pass must give the same.
    """

    examples: int
    digest: str
    firsts: tuple[int, ...]
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Named:
    """A partition by its number: what travels to another process in the place of its values.

    Attributes
    ----------
    first : int
        Number of its first example.
    digest : str
    recipe : Recipe
        Of the data.
    how : tuple
        How the data is cut.
    """

    first: int
    digest: str
    recipe: Recipe
    how: tuple[Any, ...]

    def read(self) -> Partition:
        """Return it, read here.

        Returns
        -------
        Partition

        Raises
        ------
        StudyError
            If the data is other here than where it was named.
        """
        key = (repr(self.recipe), repr(self.how))
        with _reading:
            reader = _readers.get(key)
            if reader is None or reader[0] > self.first:
                rows, collate, call, fewest = self.how
                reader = (0, Data(self.recipe, rows, collate, call, fewest).partitions())
            for part in reader[1]:
                _readers[key] = (part.first + 1, reader[1])
                if part.first >= self.first:
                    break
            else:
                _readers.pop(key, None)
                part = None
        if part is None or part.first != self.first or part.digest != self.digest:
            raise StudyError(
                f"{self.recipe!r} made other data in another process, from example {self.first} "
                "on.",
                "Wanted the same examples in the same order each time.",
                "Turn shuffling and random changes off, and read the same files.",
            )
        return part


#: Where reading stands in this process: tasks come in order, nearly.
_readers: dict[tuple[str, str], tuple[int, Iterator[Partition]]] = {}
_reading = threading.Lock()


class Data:
    """Data that is read again in each pass.

    Parameters
    ----------
    data : object
        Arrays ``(x, y)``; a ``DataLoader``; a ``tf.data.Dataset``; a ``PyDataset``; a Hugging Face
        ``Dataset`` with ``collate``; anything re-iterable of batches; a mapping with ``labels``; a
        Probe; or a Recipe of one of them.
    rows : int
        Examples of a partition. Its boundaries follow from the data and this number only.
    fewest : int
        A last partition of fewer examples joins the one before, if it can.
    collate : callable, optional
        Makes a batch of a list of rows.
    call : callable, optional
        How the model is called with its inputs, as :class:`~limelight.capture.Probe` takes it.

    Raises
    ------
    StudyError
        If it is no data.

    Examples
    --------
    >>> x, y = np.zeros((5, 3)), np.array([0, 1, 0, 1, 1])
    >>> [part.size for part in Data((x, y), rows=2).partitions()]
    [2, 2, 1]
    >>> Data((x, y)).scan().digest == Data([(x[:2], y[:2]), (x[2:], y[2:])]).scan().digest
    True
    """

    def __init__(
        self,
        data: Any,
        rows: int = ROWS,
        collate: Callable[[list[Any]], Any] | None = None,
        call: Callable[[Any, Any], Any] | None = None,
        fewest: int = 1,
    ) -> None:
        if isinstance(rows, bool) or not hasattr(rows, "__index__") or rows < 1:
            raise StudyError(
                f"Got partition={rows!r}.", "Wanted a whole number of examples above 0.",
                "Write partition=32, or leave it out.",
            )  # fmt: skip
        self.recipe = data if isinstance(data, Recipe) else None
        self._data = data.make() if isinstance(data, Recipe) else data
        self._rows, self._collate, self._call = int(rows), collate, call
        self._fewest = fewest
        self._kind = _kind_of(self._data)

    def named(self, first: int, digest: str) -> Named:
        """Return a partition by its number, to be read where it is needed.

        Parameters
        ----------
        first : int
        digest : str
            Of its values.

        Returns
        -------
        Named
        """
        assert self.recipe is not None
        how = (self._rows, self._collate, self._call, self._fewest)
        return Named(first, digest, self.recipe, how)

    def partitions(self) -> Iterator[Partition]:
        """Yield partitions in the data's order.

        Yields
        ------
        Partition

        Raises
        ------
        StudyError
            If a batch is nothing that a model can be called with.
        """
        before: Partition | None = None
        for part in self._cut():
            if before is not None:
                if part.size < self._fewest and _alike(_pair(before), _pair(part)):
                    part = _joined(before.first, [_pair(before), _pair(part)])
                else:
                    yield before
            before = part
        if before is not None:
            yield before

    def _cut(self) -> Iterator[Partition]:
        """Yield partitions of so many examples.

        Yields
        ------
        Partition

        Raises
        ------
        StudyError
            If a batch is nothing that a model can be called with.
        """
        first = 0
        waiting: list[tuple[Probe, NDArray[Any] | None]] = []
        held = 0
        for batch in self._kind.batches(self._data, self._collate):
            probe, targets = self._read(batch)
            if waiting and not _alike(waiting[0], (probe, targets)):
                yield _joined(first, waiting)  # such as sentences padded to another length
                first, held, waiting = first + held, 0, []
            at = 0
            while at < probe.examples:
                take = range(at, min(at + self._rows - held, probe.examples))
                whole = len(take) == probe.examples
                part = probe if whole else probe.some(take)
                waiting.append((part, None if targets is None else targets[take.start : take.stop]))
                at, held = take.stop, held + len(take)
                if held == self._rows:
                    yield _joined(first, waiting)
                    first, held, waiting = first + held, 0, []
        if waiting:
            yield _joined(first, waiting)

    def scan(self) -> Scan:
        """Read the data once.

        Returns
        -------
        Scan

        Raises
        ------
        StudyError
            If there is no example.
        """
        count, firsts, digests = 0, [], []
        whole = hashlib.sha256()
        for part in self.partitions():
            firsts.append(part.first)
            digests.append(part.digest)
            for row in _row_digests(part):
                whole.update(row)
            count += part.size
        if not count:
            raise StudyError(
                "Got data without an example.",
                "Wanted at least one.",
                "Look at what the data yields: list(data) is empty.",
            )
        return Scan(count, whole.hexdigest()[:32], tuple(firsts), tuple(digests))

    def _read(self, batch: Any) -> tuple[Probe, NDArray[Any] | None]:
        """Tell inputs from targets."""
        inputs, targets = _divided(batch)
        probe = inputs if isinstance(inputs, Probe) else Probe(inputs, call=self._call)
        if targets is None:
            return probe, None
        values = _values(targets)
        if values.shape[:1] != (probe.examples,):
            raise StudyError(
                f"Got targets of shape {values.shape} for {probe.examples} examples.",
                "Wanted one for each example, on the first axis.",
                "Give as many targets as inputs.",
            )
        return probe, values


def _pair(part: Partition) -> tuple[Probe, NDArray[Any] | None]:
    return part.probe, part.targets


def _divided(batch: Any) -> tuple[Any, Any]:
    """Return the inputs and targets of a batch."""
    if isinstance(batch, Mapping) or hasattr(batch, "keys"):
        named = dict(batch)
        names = [name for name in _TARGETS if name in named]
        targets = named.pop(names[0]) if names else None
        return named, targets
    if isinstance(batch, (tuple, list)):
        if len(batch) == 2:
            return batch[0], batch[1]
        if len(batch) == 1:
            return batch[0], None
        if len(batch) == 3:
            raise StudyError(
                "Got batches of three: inputs, targets and weights, perhaps.",
                "Wanted (inputs, targets): each example counts once.",
                "Map them to pairs; several inputs go in a tuple: ((a, b), targets).",
            )
    return batch, None


def _values(value: Any) -> NDArray[Any]:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _alike(a: tuple[Probe, Any], b: tuple[Probe, Any]) -> bool:
    """Say whether two batches can be joined."""
    (probe, first), (other, second) = a, b
    if type(probe.inputs) is not type(other.inputs) or (first is None) != (second is None):
        return False
    if probe.example_axes != other.example_axes or len(probe.arrays) != len(other.arrays):
        return False
    for left, right, axis in zip(probe.arrays, other.arrays, probe.example_axes, strict=True):
        if axis is None:
            if not np.array_equal(left, right):
                return False
        elif _without(left.shape, axis) != _without(right.shape, axis) or left.dtype != right.dtype:
            return False
    return first is None or first.shape[1:] == second.shape[1:]


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    axis %= len(shape)
    return (*shape[:axis], *shape[axis + 1 :])


def _joined(first: int, parts: list[tuple[Probe, NDArray[Any] | None]]) -> Partition:
    probe, targets = parts[0]
    if len(parts) > 1:
        arrays = [
            array if axis is None else np.concatenate([part.arrays[at] for part, _ in parts], axis)
            for at, (array, axis) in enumerate(zip(probe.arrays, probe.example_axes, strict=True))
        ]
        probe = probe.changed(inputs=probe.filled(arrays), labels=None, groups=None, tokens=None)
        if targets is not None:
            targets = np.concatenate([part for _, part in parts if part is not None])
    return Partition(first, probe, targets)


def _digest(part: Partition) -> str:
    whole = hashlib.sha256()
    for row in _row_digests(part):
        whole.update(row)
    return whole.hexdigest()[:32]


def _row_digests(part: Partition) -> Iterator[bytes]:
    """Yield a hash of each example: of its values, whatever their names, order and number type."""
    columns = [_plain(array) for array in part.probe.by_example]
    targets = None if part.targets is None else _plain(part.targets)
    for row in range(part.size):
        leaves = sorted(_hash(b"input", column[row]) for column in columns)
        if targets is not None:
            leaves.append(_hash(b"target", targets[row]))
        yield hashlib.sha256(b"".join(leaves)).digest()


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return values in one type for whole numbers and one for others."""
    if array.dtype.kind in "iub":
        return array.astype(np.int64)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _hash(kind: bytes, values: NDArray[Any]) -> bytes:
    held = np.ascontiguousarray(values)
    body = held.tobytes() if held.dtype.kind not in "UOS" else repr(held.tolist()).encode()
    return hashlib.sha256(kind + repr(held.shape).encode() + body).digest()


@cache
def _kinds() -> tuple[ModuleType, ...]:
    package = f"{__package__}.kinds"
    folder = "studying.kinds"
    modules = [importlib.import_module(f"{package}.{name}") for name in members(folder)]
    return tuple(sorted(modules, key=lambda kind: int(kind.ORDER)))


def _kind_of(data: Any) -> Any:
    for kind in _kinds():
        if kind.matches(data):
            return kind
    raise StudyError(
        f"Got data of type {type(data).__name__}.",
        "Wanted (x, y) arrays, a DataLoader, a tf.data.Dataset, a PyDataset, a Dataset with "
        "collate=, batches (inputs, targets) that can be read again, a mapping with labels, or a "
        "Probe.",
        "Pass one of these.",
    )
