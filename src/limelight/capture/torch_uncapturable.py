"""Modules that mix positions without a map from queries to keys, and what to do about them.

Room: capture, torch. Comes in: a model. Goes out: the error that says which module it is and why
nothing can be taken from it. Modules are told by the names of their classes, so that no library
that has them need be loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from limelight.errors import UnsupportedModelError


@dataclass(frozen=True)
class Uncapturable:
    """A kind of module without a map.

    Attributes
    ----------
    classes : tuple of str
        Patterns for the names of classes.
    why : str
        What it does instead, completing "its …".
    fix : str
    """

    classes: tuple[str, ...]
    why: str
    fix: str


_OTHER_LAYERS = (
    "Where a model mixes such layers with attention, the attention of the others is taken."
)
_FULL = "Use the same weights with full attention, where the model offers it, such as "

#: Every kind known, the first that fits counts.
KINDS = (
    Uncapturable(
        ("*Mamba*Mixer", "*SSM*", "*StateSpace*", "*Rwkv*", "*RWKV*", "*xLSTM*", "*mLSTM*",
         "*sLSTM*", "*RecurrentBlock", "*Rglru*", "*RGLRU*", "*ShortConv", "*Hyena*"),
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
        ("FNetBasicFourierTransform", "FNetFourierTransform"),
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


def refusal(model: Any) -> UnsupportedModelError | None:
    """Return the error for a model in which no attention was seen, if the reason is known.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    UnsupportedModelError or None
        Names the first module without a map, why, and what to do.
    """
    found = [(path, module, kind_of(module)) for path, module in model.named_modules()]
    known = [(path, module, kind) for path, module, kind in found if kind is not None]
    if not known:
        return None
    path, module, kind = known[0]
    others = len({type(module) for _, module, _ in known[1:]} - {type(module)})
    more = f" and of {others} more kinds" if others else ""
    place = path.replace(".", "/") or "the model itself"
    return UnsupportedModelError(
        f"Got a {type(model).__name__} whose module {place!r} is a {type(module).__name__}{more}: "
        f"{kind.why}.",
        "Wanted attention that weighs keys for each query.",
        kind.fix,
    )
