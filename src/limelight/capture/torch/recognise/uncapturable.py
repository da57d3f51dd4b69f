"""Modules that mix positions without a map from queries to keys, and what to do about them.

Room: capture, torch. Comes in: a module. Goes out: why nothing can be taken from it, for the error
that names it. Modules are told by the names of their classes, so that no library that has them
need be loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class Uncapturable:
    """A kind of module without a map.

    Attributes
    ----------
    classes : tuple of str
        Patterns for the names of classes.
    why : str
        What it does instead.
    fix : str
        What the user can do.
    """

    classes: tuple[str, ...]
    why: str
    fix: str


_OTHER_LAYERS = (
    "Use a model with attention. Where one mixes such layers with attention, that of the others is "
    "taken."
)
_FULL = "Use the same parameters with full attention, where the model offers it, such as "

#: Every kind known, the first that fits counts.
KINDS = (
    Uncapturable(
        ("*Mamba*Mixer", "*SSMLayer*", "*StateSpace*", "Rwkv*Attention", "RWKV*TimeMix*",
         "xLSTMLayer", "*mLSTM*", "*sLSTM*", "*RecurrentBlock", "*Rglru*", "*RGLRU*",
         "*ShortConv", "*Hyena*"),
        "a recurrence passes a state from position to position; no weights from queries to keys "
        "ever exist",
        _OTHER_LAYERS,
    ),
    Uncapturable(
        ("*GatedDeltaNet*", "*LinearAttention*", "*LightningAttention*", "*DeltaAttention*",
         "*Retention*", "*FastAttention*", "*PerformerAttention*", "*CausalLinear*"),
        "linear attention sums keys and values before the queries see them; no weights from "
        "queries to keys ever exist",
        _OTHER_LAYERS,
    ),
    Uncapturable(
        ("LSHSelfAttention", "LSHAttention", "YosoSelfAttention", "YosoLSH*"),
        "hashed attention compares only positions that fall into one bucket, in sorted order",
        f"{_FULL}a ReformerConfig without 'lsh' layers.",
    ),
    Uncapturable(
        ("LocalSelfAttention", "LongformerSelfAttention", "LEDEncoderSelfAttention",
         "BigBirdBlockSparseAttention", "BigBirdPegasusBlockSparseAttention",
         "LongT5LocalAttention", "LongT5TransientGlobalAttention", "PegasusXGlobalLocalAttention"),
        "local attention keeps its weights in bands or blocks, not as queries by keys",
        f"{_FULL}attention_type='original_full' of BigBird.",
    ),
    Uncapturable(
        ("NystromformerSelfAttention", "LinformerAttention", "FunnelAttentionStructure"),
        "its weights are a product of smaller softmaxes over landmarks, and are never formed",
        _OTHER_LAYERS,
    ),
    Uncapturable(
        ("FNetBasicFourierTransform",),
        "a Fourier transform mixes positions, the same way for every input",
        _OTHER_LAYERS,
    ),
    Uncapturable(
        ("*ScriptModule", "ScriptFunction", "TopLevelTracedModule"),
        "TorchScript runs it outside Python, where no operation can be watched",
        "Pass the module it was scripted or traced from.",
    ),
)  # fmt: skip


def kind_of(module: Any) -> Uncapturable | None:
    """Return why nothing can be taken from a module itself, or None.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    Uncapturable or None
    """
    names = [kind.__name__ for kind in type(module).__mro__]
    for kind in KINDS:
        if any(fnmatchcase(name, pattern) for name in names for pattern in kind.classes):
            return kind
    return None
