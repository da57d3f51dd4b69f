"""What a person types, run through a live model and recorded as a run of its own.

Room: apps. Comes in: the model that ``--model`` makes, a sentence, ids, or the number of an
example. Goes out: the name of a run, in a folder that goes when the server does. Knows no
framework.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from limelight.apps.named import parts_of
from limelight.capture import Probe, capture
from limelight.errors import LimelightError, ProbeError, QueryError
from limelight.measuring import measures_of, uniform_of
from limelight.store import Writer
from limelight.store.write.step import sites_of

#: Runs kept, and letters and positions taken, of what is typed.
_MOST: Final = 20
_LETTERS: Final = 20_000
_POSITIONS: Final = 4096

RETURNS: Final = "a model, (model, tokenizer), (model, inputs) or (model, tokenizer, inputs)"


class Typed:
    """A live model, and the runs of what was typed for it.

    Parameters
    ----------
    made : object
        A model; or a tuple of it and a tokenizer, inputs, or both.
    """

    def __init__(self, made: Any) -> None:
        self._model, self._tokenizer, given = parts_of(made)
        self._examples = None if given is None else _probe(given, self._tokenizer)
        self._folder = tempfile.TemporaryDirectory(prefix="limelight-typed-")
        self._count = 0
        self._lock = threading.Lock()

    @property
    def root(self) -> str:
        """The folder that holds its runs."""
        return self._folder.name

    @property
    def runs(self) -> dict[str, str]:
        """Its runs by name, and where each lies."""
        folders = [path for path in Path(self.root).iterdir() if path.is_dir()]
        return {f"typed/{path.name}": str(path) for path in folders}

    @property
    def asks(self) -> dict[str, Any]:
        """What can be given: ``text`` or ``ids``, and titles of the examples there are."""
        examples = [] if self._examples is None else _titles(self._examples)
        return {"asks": "ids" if self._tokenizer is None else "text", "examples": examples}

    def run(self, asked: Mapping[str, Any]) -> str:
        """Run the model once, and record its attention.

        Parameters
        ----------
        asked : mapping
            ``text``, ``ids`` or ``example``.

        Returns
        -------
        str
            The name of the new run.

        Raises
        ------
        LimelightError
            If nothing can be made of what was asked, or the model has no attention there.
        """
        probe = self._asked(asked)
        with self._lock:  # one at a time: a model is not made for more
            self._count += 1
            folder = Path(self.root) / str(self._count)
            try:
                tree = capture(self._model, probe)
            except LimelightError:
                raise
            except Exception as error:
                raise ProbeError(
                    f"The model failed on this input: {type(error).__name__}: {error}.",
                    "Wanted an input that it takes.",
                    "Type less, or ids that its table of vectors has.",
                ) from error
            _record(folder, tree, probe)
            self._forget()
            return f"typed/{self._count}"

    def close(self) -> None:
        """Remove what was recorded."""
        self._folder.cleanup()

    def _asked(self, asked: Mapping[str, Any]) -> Probe:
        """Return the one example that was asked for."""
        text, ids, example = (asked.get(name) for name in ("text", "ids", "example"))
        if isinstance(text, str) and text.strip():
            if self._tokenizer is None:
                return _probe(np.array([_numbers(text)]), None)
            return _tokenized(self._tokenizer, text[:_LETTERS], self._model)
        if isinstance(ids, list) and ids and all(isinstance(each, int) for each in ids):
            return _probe(np.array([ids[:_POSITIONS]]), self._tokenizer)
        known = self._examples
        if isinstance(example, int) and known is not None and 0 <= example < known.examples:
            return known.some([example])
        raise QueryError(
            f"Got {str(dict(asked))[:120]}.",
            "Wanted a sentence, ids, or the number of an example.",
            "Type something.",
        )

    def _forget(self) -> None:
        for number in range(self._count - _MOST + 1):
            shutil.rmtree(Path(self.root) / str(number), ignore_errors=True)


def _record(folder: Path, tree: xr.DataTree, probe: Probe) -> None:
    sites = sites_of(tree)
    with Writer(folder) as writer:
        writer.append(
            0, tree=tree, probe=probe,
            measures={name: measures_of(site) for name, site in sites.items()},
            uniform={name: uniform_of(site) for name, site in sites.items()},
        )  # fmt: skip


def _probe(inputs: Any, tokenizer: Any) -> Probe:
    if isinstance(inputs, Probe):
        return inputs
    return Probe(inputs, tokens=tokenizer if hasattr(tokenizer, "convert_ids_to_tokens") else None)


def _tokenized(tokenizer: Any, text: str, model: Any) -> Probe:
    """Return a text as a probe of one example; of any tokenizer, or a function of a text."""
    if hasattr(tokenizer, "convert_ids_to_tokens"):
        kind = "pt" if any("torch" in base.__module__ for base in type(model).__mro__) else "np"
        return Probe(dict(tokenizer(text, return_tensors=kind)), tokens=tokenizer)
    if hasattr(tokenizer, "get_vocabulary"):  # a layer of Keras takes several texts
        known = [str(word) for word in tokenizer.get_vocabulary()]
        return Probe(np.asarray(tokenizer([text])), tokens=known)
    made = tokenizer(text)
    words: list[list[str]] | None = None
    if isinstance(made, tuple) and len(made) == 2 and _are_texts(made[1]):
        made, words = made[0], [list(made[1])]
    if isinstance(made, Mapping):
        return Probe({name: _one(value) for name, value in made.items()}, tokens=words)
    made = getattr(made, "ids", made)
    return Probe(_one(made), tokens=words)


def _one(ids: Any) -> Any:
    """Return ids with an axis for the example, whether they have one or not."""
    array = np.asarray(ids)
    return array[None] if array.ndim == 1 else ids


def _are_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)


def _numbers(text: str) -> list[int]:
    parts = [part for part in re.split(r"[\s,;]+", text.strip(" []()\n\t")) if part]
    if not parts or not all(re.fullmatch(r"\d{1,9}", part) for part in parts):
        raise ProbeError(
            f"Got {text[:60]!r} for a model without a tokenizer.",
            "Wanted ids: whole numbers.",
            "Type 101, 2023, 102, or let the function of --model return (model, tokenizer).",
        )
    return [int(part) for part in parts][:_POSITIONS]


def _titles(probe: Probe) -> list[str]:
    """Return a short title for each example."""
    titles = []
    for example in range(min(probe.examples, 200)):
        words = probe.tokens_of(example) if probe.words is not None else None
        said = " ".join(word for word in words if word) if words else f"example {example}"
        titles.append(said[:80])
    return titles
