"""What people give as a probe that is no batch, and how to make one of it.

Room: capture, probe. Comes in: what a user gave. Goes out: nothing, or an error that names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from limelight.errors import ProbeError

_WANTED = "Wanted a small batch the model can be called on."


class Source(NamedTuple):
    """Something that holds batches, or something else than a batch.

    Attributes
    ----------
    classes : tuple of str
        Full names of classes; a subclass is one, too.
    name : str
        As its users call it.
    fix : str
        How to make a batch of it.
    """

    classes: tuple[str, ...]
    name: str
    fix: str


#: The first that fits counts.
_SOURCES = (
    Source(
        ("tensorflow.python.data.ops.dataset_ops.DatasetV2", "tensorflow.data.Dataset"),
        "tf.data.Dataset",
        "Take its first batch: x, y = next(iter(dataset)); then pass x[:8], without the labels. "
        "If it yields single examples, call dataset.batch(8) first.",
    ),
    Source(
        ("torch.utils.data.dataloader.DataLoader",),
        "DataLoader",
        "Take its first batch: batch = next(iter(loader)); then pass the model's inputs of it, "
        "without the labels, such as batch[0][:8].",
    ),
    Source(
        ("keras.src.trainers.data_adapters.py_dataset_adapter.PyDataset",
         "keras.utils.Sequence", "keras.utils.PyDataset"),
        "keras.utils.PyDataset",
        "Take its first batch: x, y = sequence[0]; then pass x[:8], without the labels.",
    ),
    Source(
        ("datasets.arrow_dataset.Dataset", "datasets.iterable_dataset.IterableDataset",
         "datasets.dataset_dict.DatasetDict", "datasets.dataset_dict.IterableDatasetDict"),
        "datasets.Dataset",
        "Take some rows and only the model's inputs of them: "
        "rows = dataset.with_format('numpy')[:8]; then pass "
        "{name: rows[name] for name in ('input_ids', 'attention_mask')}.",
    ),
    Source(
        ("torch.utils.data.dataset.Dataset",),
        "torch Dataset",
        "Stack some of its items: "
        "x = torch.stack([dataset[i][0] for i in range(8)]); then pass x, without the labels.",
    ),
    Source(
        ("keras.src.trainers.data_adapters.data_adapter.DataAdapter",),
        "Keras data adapter",
        "Pass a few examples, such as x[:8].",
    ),
)  # fmt: skip


def refuse(inputs: Any) -> None:
    """Raise an error for what no model is called with.

    Parameters
    ----------
    inputs : object
        All that was given as a probe's inputs.

    Raises
    ------
    ProbeError
    """
    if inputs is None:
        raise ProbeError(
            "Got None as the probe's inputs.", _WANTED, "Pass a few examples, such as x[:8]."
        )
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(inputs).__mro__}
    if "limelight.capture.probe.probe.Probe" in names:
        raise ProbeError(
            "Got a Probe inside a Probe.", "Wanted arrays.", "Pass the first probe itself."
        )
    source = next((source for source in _SOURCES if names & set(source.classes)), None)
    if source is not None:
        raise ProbeError(f"Got a {source.name} as the probe's inputs.", _WANTED, source.fix)
    if isinstance(inputs, (str, bytes)):
        raise ProbeError(
            "Got a text as the probe's inputs.",
            "Wanted arrays; texts must be tokenized first.",
            "Pass tokenizer([text], padding=True, return_tensors='np'), say.",
        )
    _refuse_objects(inputs)


def _refuse_objects(inputs: Any) -> None:
    """Refuse what has no values to copy: generators, file names, models, frames of texts."""
    kind = type(inputs)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    if hasattr(inputs, "__next__"):
        raise ProbeError(
            f"Got a {name}, whose items are used up when they are read, as the probe's inputs.",
            _WANTED,
            "Take its first batch: batch = next(batches); then pass the model's inputs of it, "
            "without the labels.",
        )
    if hasattr(inputs, "columns") and hasattr(inputs, "dtypes"):
        texts = [str(c) for c in inputs.columns if not _is_number(inputs[c].dtype)]
        if texts:
            raise ProbeError(
                f"Got a {kind.__name__} whose columns {', '.join(map(repr, texts[:6]))} hold no "
                "numbers.",
                _WANTED,
                "Tokenize texts and number categories first, or pass the other columns: "
                "frame[columns].to_numpy()[:8].",
            )
        return
    array_like = any(
        hasattr(inputs, member) for member in ("shape", "__array__", "__array_interface__", "dtype")
    )
    plain = isinstance(inputs, (Mapping, list, tuple, int, float, complex))
    if not (array_like or plain):
        raise ProbeError(
            f"Got a {name} as the probe's inputs.",
            _WANTED,
            "Pass a few examples as arrays, such as x[:8].",
        )


def _is_number(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "biufc"


def refuse_uneven(arrays: Sequence[Any]) -> None:
    """Raise an error for a list of arrays of unequal lengths: it may mean two things.

    Parameters
    ----------
    arrays : sequence of array

    Raises
    ------
    ProbeError
    """
    lengths = [tuple(array.shape)[:1] for array in arrays]
    if len(set(lengths)) > 1:
        shown = ", ".join(str(tuple(array.shape)) for array in arrays[:4])
        more = f" and {len(arrays) - 4} more" if len(arrays) > 4 else ""
        raise ProbeError(
            f"Got a list of {len(arrays)} arrays of unequal lengths: {shown}{more}.",
            "Wanted one array whose first axis is the example, or a tuple of the model's inputs.",
            "If each is an example, pad them to one length and stack them; if each is an input of "
            "the model, pass a tuple.",
        )


def refuse_unbatched(named: Mapping[str, Any]) -> None:
    """Raise an error for a tokenizer's output of one text, or of texts of unequal lengths.

    Parameters
    ----------
    named : mapping of str to object

    Raises
    ------
    ProbeError
    """
    ids = named.get("input_ids")
    if ids is None:
        return
    fix = "Call tokenizer(texts, padding=True, return_tensors='np') with a list of texts."
    listed = isinstance(ids, (list, tuple)) and len(ids) > 0
    nested = listed and all(hasattr(row, "__len__") for row in ids)
    lengths = sorted({len(row) for row in ids}) if nested else []
    if len(lengths) > 1:
        raise ProbeError(
            f"Got input_ids of unequal lengths: from {lengths[0]} to {lengths[-1]}.",
            "Wanted texts padded to one length.",
            fix,
        )
    if (listed and not nested) or len(getattr(ids, "shape", (1, 1))) == 1:
        raise ProbeError(
            "Got input_ids of a single text, without an axis for the examples.",
            "Wanted ids [example, position].",
            fix,
        )


def advice(inputs: Any) -> str:
    """Say what may be the matter with inputs that a model refused; empty where nothing is known.

    Parameters
    ----------
    inputs : object
        Arrays or tensors, laid out as a probe's; texts may be lists.

    Returns
    -------
    str
        A sentence, and a space after it.
    """
    leaves = list(inputs.values()) if isinstance(inputs, dict) else inputs
    leaves = list(leaves) if isinstance(leaves, (list, tuple)) else [leaves]
    if any(isinstance(leaf, str) or _of_text(leaf) for leaf in leaves):
        return (
            "Texts must be tokenized first: pass tokenizer(texts, padding=True, "
            "return_tensors='np'), say. "
        )
    if isinstance(inputs, tuple) and len(inputs) in (2, 3):
        return (
            "Did you pass labels? A tuple holds the model's inputs alone: of (x, y), pass x[:8]. "
        )
    return ""


def described(inputs: Any) -> str:
    """Say what a model was called with, in the words of an error.

    Parameters
    ----------
    inputs : object
        Arrays or tensors, laid out as a probe's; texts may be lists.

    Returns
    -------
    str
        Such as ``inputs of shape [2, 5] and [2]``, ``texts``, or ``the inputs as they came``.
    """
    named = inputs.items() if isinstance(inputs, dict) else [
        ("", leaf) for leaf in (inputs if isinstance(inputs, (tuple, list)) else (inputs,))
    ]  # fmt: skip
    shapes = [
        f"{name}={list(leaf.shape)}" if name else str(list(leaf.shape))
        for name, leaf in named
        if hasattr(leaf, "shape") and not _of_text(leaf)
    ]
    parts = [f"inputs of shape {' and '.join(shapes)}"] if shapes else []
    if any(isinstance(leaf, str) or _of_text(leaf) for _, leaf in named):
        parts.append("texts")
    return " and ".join(parts) or "the inputs as they came"


def _of_text(leaf: Any) -> bool:
    if isinstance(leaf, list):
        return any(isinstance(item, (str, bytes)) or _of_text(item) for item in leaf)
    return getattr(getattr(leaf, "dtype", None), "kind", "") in ("U", "S", "O")
