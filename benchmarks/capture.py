"""Capturing the attention of a pretrained transformer, and measuring it.

The real MiniLM runs over 64 windows of running text: as it is, with 4 of the windows captured, with
all of them captured, and the way transformers itself gives attention: a model built with its
``eager`` attention and asked for ``output_attentions``. Measures with a closed form come with
every capture; those that need the weights of whole rows are held against the same measures of
transformers' own maps. All in turns, in one process. Memory is taken in a process for each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import limelight as ll
from benchmarks import memory, timing
from benchmarks.figure import Figure
from limelight.catalogue import analyses
from limelight.data import corpora
from limelight.measuring import measures_of
from limelight.pretrained import models as pretrained
from limelight.store.write.step import sites_of

FORWARD_BAR = 1.10
MEMORY_BAR = 1 / 3


@dataclass(frozen=True)
class Scale:
    """How much is run.

    Attributes
    ----------
    lengths : tuple of int
        Positions of a window, where time is measured.
    windows, few : int
        In a forward, and how many of them are captured where few are.
    rounds : int
    long, batch : int
        Positions and windows where memory is measured.
    real : bool
        MiniLM on text, or else a tiny model on noise.
    """

    lengths: tuple[int, ...] = (128, 256)
    windows: int = 64
    few: int = 4
    rounds: int = 5
    long: int = 512
    batch: int = 64
    real: bool = True


TINY = Scale((8, 16), windows=4, few=2, rounds=1, long=64, batch=2, real=False)


def measure(tiny: bool = False) -> list[Figure]:
    """Measure time at each length, then memory."""
    scale = TINY if tiny else Scale()
    models = {kind: model(kind, scale) for kind in ("sdpa", "eager")}
    figures = [figure for length in scale.lengths for figure in _times(models, length, scale)]
    return [*figures, _memory(scale, tiny)]


def model(kind: str, scale: Scale) -> Any:
    """Load MiniLM, or build something small like it."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    if scale.real:
        return pretrained.load("minilm", attn_implementation=kind)
    sizes = transformers.BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, attn_implementation=kind,
    )  # fmt: skip
    return transformers.BertModel(sizes).eval()


def inputs(windows: int, length: int, scale: Scale) -> dict[str, Any]:
    """Cut running text into full windows; no padding."""
    import torch

    if scale.real:
        words = pretrained.tokenizer("minilm")
        text = " ".join(" ".join(sentence) for sentence in corpora.bible_sentences(1, 10**6)[:6000])
        ids = words(text, add_special_tokens=False, verbose=False)["input_ids"]
        ids = np.array(ids[: windows * length], np.int64).reshape(windows, length)
    else:
        ids = np.random.default_rng(0).integers(0, 100, (windows, length))
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.ones(ids.shape, dtype=int)}


def plain(network: Any, given: Any) -> object:
    """Run the model."""
    import torch

    with torch.no_grad():
        return network(**given)


def asked(network: Any, given: Any) -> Any:
    """Run the model and keep the attention it returns."""
    import torch

    with torch.no_grad():
        return network(**given, output_attentions=True).attentions


def captured(
    network: Any, given: Any, few: slice | None = None, names: Sequence[str] | None = None
) -> object:
    """Run the model, capture its attention and apply analyses; all if none are named."""
    tree = ll.capture(network, given, examples=few)
    return {name: measures_of(site, names) for name, site in sites_of(tree).items()}


def measured(network: Any, given: Any, names: Sequence[str]) -> object:
    """Run the model, keep the attention it returns and apply analyses to it."""
    every = analyses()
    maps = [weights.numpy() for weights in asked(network, given)]
    return [[every[name].function(weights) for name in names] for weights in maps]


def by_form() -> tuple[list[str], list[str]]:
    """Return the measures with a closed form, and those that need whole rows."""
    every = analyses().values()
    return (
        [card.name for card in every if card.closed_form],
        [card.name for card in every if not card.closed_form],
    )


def _times(models: dict[str, Any], length: int, scale: Scale) -> list[Figure]:
    given = inputs(scale.windows, length, scale)
    ours, theirs = models["sdpa"], models["eager"]
    closed, whole = by_form()
    acts: tuple[Callable[[], object], ...] = (
        lambda: plain(ours, given),
        lambda: captured(ours, given, slice(scale.few), closed),
        lambda: captured(ours, given, None, closed),
        lambda: asked(theirs, given),
        lambda: captured(ours, given),
        lambda: measured(theirs, given, whole),
    )
    for act in acts:
        act()  # the first call also loads and compiles
    unit, few, every, peer, rows, peer_rows = timing.in_turns(scale.rounds, *acts)
    what = f"{'MiniLM' if scale.real else 'a tiny BERT'} on {scale.windows} windows of {length}"
    middle = timing.middle(unit)
    return [
        _figure(
            f"forward of {what} with {scale.few} of them captured and measured, against without",
            FORWARD_BAR, few, unit, "",
        ),
        _figure(
            f"forward of {what}, all captured and measured, against without; the bar is that of "
            "transformers' own eager attention with output_attentions, unmeasured",
            timing.ratio(peer, unit).value, every, unit, _peer(peer, middle),
        ),
        _figure(
            f"the same with the measures that need whole rows ({', '.join(whole)}); the bar is "
            "these measures of transformers' own maps",
            timing.ratio(peer_rows, unit).value, rows, unit, _peer(peer_rows, middle),
        ),
    ]  # fmt: skip


def _peer(peer: Any, plainly: Any) -> str:
    taken = timing.middle(peer)
    times = f"{taken.wall / plainly.wall:.3g} times"
    return f"; transformers' own {taken.wall:.2f} s (CPU {taken.cpu:.2f} s), {times}"


def _figure(what: str, bar: float, ours: Any, unit: Any, more: str) -> Figure:
    ratio = timing.ratio(ours, unit)
    our, plainly = timing.middle(ours), timing.middle(unit)
    return Figure(
        what=what,
        bar=bar,
        at_most=True,
        value=ratio.value,
        absolute=(
            f"{our.wall:.2f} s against {plainly.wall:.2f} s (CPU {our.cpu:.2f} s against "
            f"{plainly.cpu:.2f} s){more}"
        ),
        how=ratio.text,
    )


def _memory(scale: Scale, tiny: bool) -> Figure:
    peaks = {name: memory.apart("benchmarks.capture", name, tiny) for name in ACTS}
    forward, ours, peer = (peaks[name] for name in ("plain", "captured", "asked"))
    size = model("sdpa", scale).config
    maps = 4 * size.num_hidden_layers * size.num_attention_heads * scale.batch * scale.long**2
    mega = 1e6
    return Figure(
        what=(
            f"capturing all of {scale.batch} windows of {scale.long}, every measure: highest extra "
            "memory as a share of what all maps take"
        ),
        bar=MEMORY_BAR,
        at_most=True,
        value=ours / maps,
        absolute=(
            f"{ours / mega:.0f} MB, of which a forward alone takes {forward / mega:.0f} MB; all "
            f"maps take {maps / mega:.0f} MB, transformers' output_attentions "
            f"{peer / mega:.0f} MB"
        ),
        how="highest resident memory above that before, after a small call, a process each",
    )


def _apart(name: str, tiny: bool) -> int:
    """Measure memory in this process, which does nothing else."""
    scale = TINY if tiny else Scale()
    kind, act = ACTS[name]
    network = model(kind, scale)
    act(network, inputs(1, scale.long, scale))  # loads and compiles
    given = inputs(scale.batch, scale.long, scale)
    held: list[object] = []
    return memory.peak_above(lambda: held.append(act(network, given)))


#: By name: the kind of attention a model is built with, and what is done with it.
ACTS: dict[str, tuple[str, Callable[[Any, Any], object]]] = {
    "plain": ("sdpa", plain),
    "captured": ("sdpa", captured),
    "asked": ("eager", asked),
}

if __name__ == "__main__":
    print(json.dumps(_apart(sys.argv[1], tiny=len(sys.argv) > 2)))
