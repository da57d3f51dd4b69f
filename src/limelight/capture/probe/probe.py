"""The fixed examples a run is watched on.

Room: capture, probe. Comes in: what a model is called with and how, text for its positions, and
what the user corrects. Goes out: one frozen :class:`Probe`. Knows no framework: tensors are only
asked for their values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.probe import inputs as probe_inputs
from limelight.capture.probe.axes import INPUTS, Axes, checked
from limelight.capture.probe.images import laid_out
from limelight.capture.probe.tokens import Tokens, Words, some, spelled
from limelight.capture.probe.worded import Worded
from limelight.errors import ProbeError


@dataclass(frozen=True, eq=False)
class Probe(Worded):
    """A few fixed examples that a model is run on again and again while it learns.

    Parameters
    ----------
    inputs : array, tuple of arrays, or dict of str to array
        What the model is called with. The first axis of every array is the example. A tuple is
        passed by position, a dict is the model's own dict input. The examples are those of
        ``input_ids``, ``inputs_embeds``, ``pixel_values``, ``input_features`` or ``input_values``,
        else of the first input that is not called a mask, a bias or the like. What has another
        number on its first axis, and what is no array (a flag, a text, None), all examples share.
    tokens : optional
        Text for each position: a list of texts per example; or a vocabulary (a sequence, a dict or
        a function from id to text) or a tokenizer, of any library, which reads ``input_ids`` and
        ``decoder_input_ids``, else the first whole-number input; or either for each input, such as
        ``{"source": words, "target": [["le", "chat"]]}``, by position in a tuple. ``None``, ``""``
        and a tokenizer's padding are padding. Examples may be shorter than the model's positions.
        A vocabulary reads the ids that a torch model makes itself too, such as those it generates.
    labels, groups : sequence, optional
        The class and the group of each example.
    layout : (int, int), optional
        Rows and columns, when positions are the pixels or patches of an image. Positions before
        them, such as a class token and registers, are shown beside it.
    patches : (int, int), optional
        Height and width of a patch in pixels, when each position is a patch of an image input
        [example, row, column, channel] or [example, channel, row, column]. ``layout`` then follows
        from the image.
    images : array [example, row, column, channel], optional
        Shown instead of the input, such as the photographs before they were normalised, in any
        resolution; channels may come first, or be left out. As an attribute, what is shown: the
        input itself at its own resolution and colours if nothing was given, thinned to 1024 pixels
        a side, uint8 where it came in bytes, else float32; None without a layout.
    shared : str, int, or sequence of them, optional
        Names, or positions in the tuple, of inputs that all examples share although they have as
        many rows as there are examples: a mask [T, T] of T examples.
    include, exclude : str or sequence of str, optional
        Paths (``*`` matches anything) of softmaxes that are attention, or are not, where limelight
        guesses wrong.
    axes : mapping, optional
        What axes mean, where limelight reads them otherwise. From a path (``*`` matches anything)
        to the roles of the axes of the softmax's input, in order: ``"example"``, ``"head"``,
        ``"query"``, ``"key"``, ``"feature"`` or None, such as
        ``{"encoder/*": ("query", "example", "key")}``. And from ``"inputs"`` to the axis of the
        model's inputs on which the examples lie: 1 for a model that takes positions first, None
        for one that takes a single example without such an axis, or a dict from an input's name,
        or its position in the tuple, to either.
    call : callable, optional
        Called as ``call(model, inputs)`` instead of ``model(inputs)``, with the inputs as tensors,
        such as ``lambda model, x: model.generate(**x, max_new_tokens=9, do_sample=False)``.

    Attributes
    ----------
    drawn : bool
        Whether ``images`` were given.
    words : Words, optional
        ``tokens`` spelled out, by input; ``""`` where padding.
    examples : int
        How many examples there are.
    example_axes : tuple of (int or None)
        For each of ``arrays``, the axis of the examples; None where all share it.
    own_rows : tuple of bool
        For each of ``arrays``, whether its first axis seems to count rows of its own beside a
        single example, such as several images of one text. What attends within each of these has no
        map, unless ``shared`` names the input.
    precisions : tuple of (str or None)
        For each of ``arrays``, the precision it came in where NumPy has none of that name, such as
        ``bfloat16``; it is kept as float32.

    Raises
    ------
    ProbeError
        If there is no example, what came is no batch (a dataset, a generator, a text), or
        ``tokens``, ``labels``, ``groups``, ``layout``, ``patches``, ``shared`` or ``axes`` do not
        fit the inputs.

    Notes
    -----
    Inputs go to the model in the precision they came in. Only if it refuses them there, they are
    given in its own. Lists of Python's numbers are float32.

    Examples
    --------
    >>> probe = Probe(np.array([[2, 1, 0]]), tokens=["", "cat", "the"])
    >>> probe.examples, probe.tokens_of(0)
    (1, ('the', 'cat', ''))
    >>> later = np.triu(np.ones((5, 5), bool), 1)
    >>> Probe({"x": np.zeros((3, 5, 8)), "mask": later, "mode": "plain"}).example_axes
    (0, None)
    """

    inputs: Any
    tokens: Tokens | None = field(default=None, kw_only=True, repr=False)
    labels: Sequence[Any] | None = field(default=None, kw_only=True)
    groups: Sequence[Any] | None = field(default=None, kw_only=True)
    layout: tuple[int, int] | None = field(default=None, kw_only=True)
    patches: tuple[int, int] | None = field(default=None, kw_only=True)
    images: Any = field(default=None, kw_only=True, repr=False)
    shared: Collection[str | int] | str | int = field(default=(), kw_only=True)
    include: Sequence[str] | str | None = field(default=(), kw_only=True)
    exclude: Sequence[str] | str | None = field(default=(), kw_only=True)
    axes: Axes | None = field(default=None, kw_only=True)
    call: Callable[[Any, Any], Any] | None = field(default=None, kw_only=True)
    words: Words | None = field(default=None, init=False, repr=False)
    drawn: bool = field(default=False, init=False, repr=False)
    examples: int = field(default=0, init=False, repr=False)
    example_axes: tuple[int | None, ...] = field(default=(), init=False, repr=False)
    own_rows: tuple[bool, ...] = field(default=(), init=False, repr=False)
    precisions: tuple[str | None, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        self._set("axes", checked(self.axes))
        self._set("include", listed("include", self.include))
        self._set("exclude", listed("exclude", self.exclude))
        if self.call is not None and not callable(self.call):
            raise ProbeError(
                f"Got call={self.call!r}.",
                "Wanted a function of the model and its inputs.",
                "Write call=lambda model, inputs: model(inputs), say.",
            )
        shared = (self.shared,) if isinstance(self.shared, (str, int)) else tuple(self.shared)
        self._set("shared", shared)
        where = (self.axes or {}).get(INPUTS, 0)
        given = probe_inputs.read(self.inputs, shared, where)  # type: ignore[arg-type]
        self._set("inputs", given.values)
        self._set("example_axes", given.axes)
        self._set("own_rows", given.rows)
        self._set("precisions", given.dtypes)
        self._set("examples", given.examples)
        self._label()
        self._set("drawn", self.images is not None)
        layout, images = laid_out(self._named, self.layout, self.patches, self.images)
        self._set("layout", layout)
        self._set("images", images)
        if self.tokens is not None:
            self._set("words", spelled(self.tokens, self._named, self.examples))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _label(self) -> None:
        """Make sure that labels and groups are as many as examples."""
        for name in ("labels", "groups"):
            values = getattr(self, name)
            if values is not None:
                values = list(values)
                if len(values) != self.examples:
                    raise ProbeError(
                        f"Got {len(values)} {name} for {self.examples} examples.",
                        "Wanted one for each example.",
                        f"Cut 'inputs' and {name!r} alike.",
                    )
                self._set(name, values)

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """Every input array, in order."""
        leaves = probe_inputs.leaves(self.inputs)
        return [value for value in leaves if isinstance(value, np.ndarray)]

    @property
    def by_example(self) -> list[NDArray[Any]]:
        """The arrays that differ from example to example, the examples on their first axis."""
        pairs = zip(self.arrays, self.example_axes, strict=True)
        several = [np.moveaxis(array, axis, 0) for array, axis in pairs if axis is not None]
        return several or [array[None] for array in self.arrays]

    def filled(self, tensors: Sequence[Any]) -> Any:
        """Return the inputs with other values in the place of their arrays.

        Parameters
        ----------
        tensors : sequence
            One for each of ``arrays``, in order.

        Returns
        -------
        object
            Laid out as ``inputs``; what is no array stays.
        """
        return probe_inputs.filled(self.inputs, tensors)

    def some(self, rows: Sequence[int]) -> Probe:
        """Return a probe of some of the examples.

        Parameters
        ----------
        rows : sequence of int
            Which, from 0.

        Returns
        -------
        Probe
        """
        indices = list(rows)

        def chosen(values: Sequence[Any] | None) -> list[Any] | None:
            return None if values is None else [values[row] for row in indices]

        pairs = list(zip(self.arrays, self.example_axes, strict=True))
        parts = {(id(array), axis): probe_inputs.cut(array, axis, indices) for array, axis in pairs}
        cut = [parts[id(array), axis] for array, axis in pairs]
        return self.changed(
            inputs=self.filled(cut), tokens=some(self.tokens, indices),
            labels=chosen(self.labels), groups=chosen(self.groups),
            images=self.images[indices] if self.drawn else None,
        )  # fmt: skip

    def changed(self, **changes: Any) -> Probe:
        """Return a probe that is other in some respects.

        Parameters
        ----------
        **changes : object
            New values of parameters; ``inputs`` laid out as before.

        Returns
        -------
        Probe
        """
        changes = {"images": self.images if self.drawn else None} | changes
        made = replace(self, **changes)
        # What these say cannot be told again from copies of some examples.
        for name in ("example_axes", "own_rows", "precisions"):
            made._set(name, getattr(self, name))
        examples = changes.get("inputs")
        if examples is not None:
            pairs = zip(made.arrays, self.example_axes, strict=True)
            counts = [array.shape[axis] for array, axis in pairs if axis is not None]
            made._set("examples", counts[0] if counts else 1)
        return made


def listed(name: str, paths: Any) -> tuple[str, ...]:
    """Return paths as a tuple.

    Parameters
    ----------
    name : str
        Of the argument.
    paths : str, sequence of str, or None

    Returns
    -------
    tuple of str

    Raises
    ------
    ProbeError
        If they are none.
    """
    several = (paths,) if isinstance(paths, str) else tuple(paths or ())
    if not all(isinstance(path, str) for path in several):
        raise ProbeError(
            f"Got {name}={paths!r}.",
            "Wanted paths of modules or layers, as text.",
            f"Write {name}='decoder/attention', or a list of such paths.",
        )
    return several
