"""What a user says that axes mean.

Room: capture, probe. Comes in: a mapping from paths to the roles of axes. Goes out: the same,
checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from limelight.errors import ProbeError

#: What an axis of a softmax's input counts.
Role = Literal["example", "head", "query", "key", "feature"]

#: Roles of a softmax's axes by the path of its site; and where examples lie in the inputs.
Axes = Mapping[str, Sequence[Role | None] | int | Mapping[str | int, int | None] | None]

#: The key that speaks of the model's inputs.
INPUTS = "inputs"

_ROLES = get_args(Role)


def checked(axes: Any) -> dict[str, Any] | None:
    """Return what a user says that axes mean, if it makes sense in itself.

    Parameters
    ----------
    axes : mapping, optional

    Returns
    -------
    dict of str to tuple of str, int, None, or dict

    Raises
    ------
    ProbeError
        If a role is unknown, comes twice (heads may), or ``key`` is missing.
    """
    if axes is None:
        return None
    if not isinstance(axes, Mapping):
        raise _wrong(axes)
    return {str(path): _inputs(said) if path == INPUTS else _roles(path, said)
            for path, said in axes.items()}  # fmt: skip


def _inputs(said: Any) -> Any:
    if isinstance(said, Mapping):
        return {name: _inputs(axis) for name, axis in said.items()}
    if said is None or (isinstance(said, int) and not isinstance(said, bool)):
        return said
    raise _wrong({INPUTS: said})


def _roles(path: Any, said: Any) -> tuple[str | None, ...]:
    roles = tuple(said) if isinstance(said, Sequence) and not isinstance(said, str) else ()
    single = [role for role in roles if role in ("example", "key", "query")]
    known = all(role is None or role in _ROLES for role in roles)
    if not known or len(set(single)) < len(single) or "key" not in single:
        raise _wrong({path: said})
    return roles


def _wrong(axes: Any) -> ProbeError:
    return ProbeError(
        f"Got axes={axes!r}.",
        "Wanted a path with the roles of the axes of the softmax's input, in order (each of "
        f"{', '.join(map(repr, _ROLES))} or None; one 'key', at most one 'query' and 'example'), "
        "or 'inputs' with the axis of the examples.",
        "Write axes={'encoder/*': ('query', 'example', 'key')}, or axes={'inputs': 1}.",
    )
