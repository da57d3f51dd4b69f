"""Every softmax of a model, what it was taken for and why, as a table to read.

Room: capture. Comes in: a model and a few examples. Goes out: a :class:`SoftmaxTable`. Knows no
framework; the adapter of the model's own runs it.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, overload

from limelight.capture.adapter import adapter_for
from limelight.capture.once import corrected
from limelight.capture.probe import Probe
from limelight.capture.probe.axes import Axes
from limelight.capture.recognition import Softmax
from limelight.errors import ProbeError

_HEADER = ("softmax", "module", "taken for", "its input", "as the model's own")


def sites(
    model: Any,
    inputs: Any,
    *,
    values: bool = False,
    example: int = 0,
    include: Sequence[str] | str | None = None,
    exclude: Sequence[str] | str | None = None,
    axes: Axes | None = None,
    call: Callable[[Any, Any], Any] | None = None,
) -> SoftmaxTable:
    """List every softmax that runs in a model, what it is taken for and why, or why not.

    Where :func:`limelight.capture` shows other maps than expected, or none, this says what it saw.
    It does not fail because nothing was attention. The model stays as it is.

    Parameters
    ----------
    model : keras.Model or torch.nn.Module
        A live model.
    inputs : Probe, array, tuple of arrays, or mapping of str to array
        A few examples, as for :func:`limelight.capture`.
    values : bool
        Whether to keep scores, weights and weighted sum of one example, and to compare them with
        what the model itself computed.
    example : int
        Which example.
    include, exclude, axes, call : optional
        As in :class:`~limelight.capture.probe.Probe`; a pattern that matches nothing is no error.

    Returns
    -------
    SoftmaxTable
        A row for each, in the order they ran; prints as text, and as a table in notebooks.

    Raises
    ------
    UnsupportedModelError
        If no adapter knows the model, or it cannot run at all.
    ProbeError
        If the model refuses the inputs, or there is no such example.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.randn(3, 5, 8)
    >>> table = sites(layer, (x, x, x), values=True)
    >>> [(row.path, row.kind) for row in table]
    [('multiheadattention', 'self')]
    >>> table[0].values.weights.shape, table[0].values.agree
    ((2, 5, 5), True)
    """
    probe = inputs if isinstance(inputs, Probe) else Probe(inputs, axes=axes)
    probe = corrected(probe, include, exclude, axes if isinstance(inputs, Probe) else None, call)
    if not -probe.examples <= example < probe.examples:
        raise ProbeError(
            f"Got example={example} for inputs of {probe.examples}.",
            f"Wanted one of those, numbered 0 to {probe.examples - 1}.",
            "Correct the number.",
        )
    shown = example % probe.examples if values else None
    name, rows, notes = adapter_for(model).softmaxes(model, probe, shown)
    return SoftmaxTable(name, _joined(rows), notes)


class SoftmaxTable(Sequence[Softmax]):
    """The softmaxes that ran in a model, in order.

    Parameters
    ----------
    model : str
        Its name.
    rows : sequence of Softmax
    notes : sequence of str
        What else may hide attention: kernels, compiled parts, layers without a map.
    """

    def __init__(self, model: str, rows: Sequence[Softmax], notes: Sequence[str] = ()) -> None:
        self.model, self.notes = model, tuple(notes)
        self._rows = tuple(rows)

    @property
    def taken(self) -> tuple[Softmax, ...]:
        """Those that were taken for attention."""
        return tuple(row for row in self._rows if row.kind is not None)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Softmax: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Softmax, ...]: ...
    def __getitem__(self, index: int | slice) -> Softmax | tuple[Softmax, ...]:
        return self._rows[index]

    def __iter__(self) -> Iterator[Softmax]:
        return iter(self._rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the table as dicts, lists, texts and numbers; arrays as nested lists."""
        return {"model": self.model, "notes": list(self.notes), "rows": list(map(_plain, self))}

    def __repr__(self) -> str:
        lines = [self._title()]
        if self._rows:
            cells = [_HEADER, *(_cells(row) for row in self._rows)]
            if not any(row.values for row in self._rows):  # nothing was compared
                cells = [line[:-1] for line in cells]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            for number, line in enumerate(cells):
                padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
                lines.append("  ".join(padded).rstrip())
                lines += [
                    f"    {said}" for said in (_said(self._rows[number - 1]) if number else ())
                ]
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in (*_HEADER, "because"))
        body = "".join(
            "<tr>"
            + "".join(f"<td>{html.escape(text)}</td>" for text in _cells(row))
            + f"<td>{'<br>'.join(html.escape(said) for said in _said(row))}</td></tr>"
            for row in self._rows
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"<p>{html.escape(self._title())}</p>{table if self._rows else ''}{notes}"

    def _title(self) -> str:
        if not self._rows:
            return (
                f"No softmax ran in {self.model!r}. Weights that a layer forms with exp() and "
                "sum(), or in a kernel of its own, are not seen."
            )
        ran = "1 softmax" if len(self) == 1 else f"{len(self)} softmaxes"
        return f"{ran} ran in {self.model!r}, in order; taken for attention: {len(self.taken)}."


def _joined(rows: Sequence[Softmax]) -> list[Softmax]:
    """Join the calls of one site, and what is alike otherwise, as the steps of a loop are."""
    joined: dict[tuple[Any, ...], Softmax] = {}
    for row in rows:
        site = row.kind is not None
        key = (row.path, site, *(() if site else (row.reason, row.shape)))
        first = joined.get(key)
        joined[key] = row if first is None else replace(first, calls=first.calls + 1)
    return [replace(row, source=None) for row in joined.values()]


def _cells(row: Softmax) -> tuple[str, ...]:
    roles = [role or "?" for role in row.axes] if len(row.axes) == len(row.shape) else []
    sizes = [f"{role} {size}" for role, size in zip(roles, row.shape, strict=False)]
    shape = " · ".join(sizes) or " × ".join(map(str, row.shape)) or "–"
    path = row.path if row.calls == 1 else f"{row.path} ({row.calls} calls)"
    return path, row.module_class or "–", row.kind or "–", shape, _agreement(row)


def _agreement(row: Softmax) -> str:
    values = row.values
    if values is None:
        return ""
    parts = []
    if values.weights_off is not None:
        parts.append(f"weights within {_short(values.weights_off)}")
    if values.sum_off is not None:
        parts.append(f"weighted sum within {_short(values.sum_off)}")
    if values.agree is None:
        return "could not be compared"
    return ("" if values.agree else "NOT: ") + ", ".join(parts)


def _short(off: float) -> str:
    return f"{off:.0e}" if off else "0"


def _said(row: Softmax) -> list[str]:
    """Return the sentences below a row."""
    lines = []
    if row.reason:
        lines.append(f"{'because' if row.kind else 'not taken:'} {row.reason}")
    if row.stage:
        lines.append(f"shown: {row.stage}")
    if row.reading:
        lines.append(f"two readings: {row.reading}")
    if row.values is not None and row.kind is not None and row.values.weighted_sum is None:
        lines.append("its weighted sum could not be followed")
    if row.change:
        lines.append(f"to change it: {row.change}")
    return lines


def _plain(row: Softmax) -> dict[str, Any]:
    facts = asdict(replace(row, source=None, values=None))
    del facts["source"]
    facts["change"] = row.change
    if row.values is None:
        facts["values"] = None
    else:
        named = vars(row.values)
        facts["values"] = {
            name: value.tolist() if hasattr(value, "tolist") else value
            for name, value in named.items()
        }
    facts["shape"], facts["axes"] = list(row.shape), list(row.axes)
    return facts
