"""What heads look at over many examples: strongest entries, samples, tokens, distances.

Room: maps. Comes in: maps of a batch of examples, and their tokens. Goes out: little arrays by head
which can be merged with those of other batches, in the order of the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.maps.reading import Batch

#: Entries of one example that may be among a head's strongest.
PER_EXAMPLE: Final = 2
#: Rows that are drawn from the whole data for each head, as samples by decile.
RESERVOIR: Final = 240
#: Tokens and pairs of tokens whose sums are kept for each head while data streams by.
TOKENS: Final = 192
#: Ends of bins of distances: 0, 1, 2, 3 to 4, 5 to 8 …
DISTANCES: Final = np.array([0, 1, 2, *(2**power for power in range(2, 16))])

Arrays = dict[str, NDArray[Any]]


def gathered(
    maps: Batch,
    first: int,
    words: NDArray[np.str_] | None,
    seed: int,
    link: tuple[str, str] | None = None,
) -> Arrays:
    """Return what a batch shows of each head.

    Parameters
    ----------
    maps : Batch
    first : int
        Number of its first example in the data.
    words : array [example, key], optional
        Tokens of the keys; of the queries too where the attention is a self-attention.
    seed : int
        For samples; what is drawn for an example depends on its number only.
    link : (str, str), optional
        Token of a query, token of a key: how much the first looks at the second.

    Returns
    -------
    dict of str to array [head, …]
        ``top`` and ``drawn`` [head, entry, 5]: weight (or priority), example, query, key, weight.
        ``near`` and ``near_null`` [head, bin]; ``rows`` [head]; sums of tokens and pairs with their
        ``names``; sums of the link.
    """
    heads = maps.weights.shape[1]
    allowed = maps.allowed.copy()
    allowed[np.arange(len(allowed))[:, None], ..., _first(maps)[:, None]] = False
    allowed &= maps.rows[..., None]
    weights = np.where(allowed, maps.weights, np.float32(0))
    best = weights.argmax(-1)
    greatest = np.take_along_axis(weights, best[..., None], -1)[..., 0]  # [example, head, query]
    counted = np.broadcast_to(allowed.any(-1), greatest.shape)
    made = {
        "top": _top(greatest, best, counted, first),
        "drawn": _drawn(greatest, best, counted, first, seed),
        "rows": counted.sum((0, 2)).astype(np.float64),
    }
    uniform = maps.allowed / np.maximum(maps.allowed.sum(-1, keepdims=True), 1)
    uniform = np.where(allowed, uniform, 0).astype(np.float32)
    square = weights.shape[2] == weights.shape[3] and maps.kind == "self"
    if square:
        made |= _distances(weights, uniform, heads)
    if words is not None:
        made |= _tokens(weights, uniform, greatest, best, counted, words, square)
        if link is not None and square:
            made |= _link(maps, words, link, first)
    return made


def _first(maps: Batch) -> NDArray[np.intp]:
    """Return the first key of each example that anyone may attend to."""
    seen = (maps.allowed & maps.rows[..., None]).any((1, 2))
    return np.asarray(seen.argmax(-1), np.intp)


def _top(greatest: Any, best: Any, counted: Any, first: int) -> NDArray[np.float64]:
    """Return the strongest rows of each example, at most two of one."""
    # Rounded: what is equal but for a kernel's rounding keeps the order of the data.
    scores = np.where(counted, greatest, -1).round(5)
    count = min(PER_EXAMPLE, scores.shape[-1])
    rows = np.argsort(-scores, axis=-1, kind="stable")[..., :count]  # [example, head, entry]
    score, weight, key = (np.take_along_axis(part, rows, -1) for part in (scores, greatest, best))
    example = np.broadcast_to((first + np.arange(len(scores)))[:, None, None], rows.shape)
    return _entries(score, example, rows, key, weight)


def _drawn(
    greatest: Any, best: Any, counted: Any, first: int, seed: int
) -> NDArray[np.float64]:  # fmt: skip
    """Return one row of each example, with a random priority for each head."""
    examples, heads, _ = greatest.shape
    row, priority = np.zeros((examples, heads), np.intp), np.zeros((examples, heads))
    for number in range(examples):
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(first + number,)))
        order = random.random((heads, greatest.shape[2]))
        row[number] = np.where(counted[number], order, 2).argmin(-1)
        priority[number] = np.where(counted[number].any(-1), random.random(heads), -1)
    weight, key = (np.take_along_axis(part, row[..., None], -1) for part in (greatest, best))
    example = np.broadcast_to((first + np.arange(examples))[:, None, None], weight.shape)
    return _entries(priority[..., None], example, row[..., None], key, weight)


def _entries(*columns: Any) -> NDArray[np.float64]:
    """Return entries [head, entry, column] of columns [example, head, entry]."""
    stacked = np.stack(columns, -1).astype(np.float64)
    return np.moveaxis(stacked, 1, 0).reshape(stacked.shape[1], -1, len(columns))


def _distances(weights: Any, uniform: Any, heads: int) -> Arrays:
    count = weights.shape[-1]
    distance = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    number = np.searchsorted(DISTANCES, distance.reshape(-1))
    bins = np.eye(len(DISTANCES), dtype=np.float32)[number]
    near = weights.sum(0, dtype=np.float32).reshape(heads, -1) @ bins
    null = uniform.sum(0, dtype=np.float32).reshape(len(uniform[0]), -1) @ bins
    return {"near": near.astype(np.float64),
            "near_null": np.broadcast_to(null, near.shape).astype(np.float64)}  # fmt: skip


def _tokens(
    weights: Any, uniform: Any, greatest: Any, best: Any, counted: Any, words: Any, square: bool
) -> Arrays:
    """Return sums by token, of what keys are given and of pairs that rows single out."""
    names, codes = np.unique(words, return_inverse=True)
    codes = codes.reshape(words.shape)
    heads, size = weights.shape[1], len(names)
    given, chance = (_by_token(part.sum(2), codes, size) for part in (weights, uniform))
    chance = np.broadcast_to(chance, given.shape)
    made = {"names": names, **_kept("key", given, chance)}
    if not square:
        return made
    pairs = np.zeros((heads, TOKENS, 2))
    query = np.broadcast_to(codes[:, None], best.shape)
    code = query * size + codes[np.arange(len(codes))[:, None, None], best]
    for head in range(heads):
        rows = counted[:, head]
        unique, at = np.unique(code[:, head][rows], return_inverse=True)
        sums = np.bincount(at, greatest[:, head][rows], len(unique))
        order = np.argsort(-sums, kind="stable")[:TOKENS]
        pairs[head, : len(order)] = np.stack([unique[order] + 1, sums[order]], -1)
    return made | {"pairs": pairs}


def _by_token(sums: Any, codes: Any, size: int) -> NDArray[np.float64]:
    """Add up [example, head, key] by token of the key: [head, token]."""
    made = np.zeros((sums.shape[1], size))
    for head in range(sums.shape[1]):
        made[head] = np.bincount(codes.reshape(-1), sums[:, head].reshape(-1), size)
    return made


def _kept(name: str, given: Any, chance: Any) -> Arrays:
    order = np.argsort(-given, axis=-1, kind="stable")[:, :TOKENS]
    sums, even = (np.take_along_axis(part, order, -1) for part in (given, chance))
    return {f"{name}_tokens": np.stack([order, sums, even], -1).astype(np.float64)}


def _link(maps: Batch, words: Any, link: tuple[str, str], first: int) -> Arrays:
    """Return how much queries of one token look at keys of another."""
    plain = np.vectorize(plain_word, otypes=[str])(words)
    asked, wanted = (plain == plain_word(word) for word in link)
    cells = asked[:, None, :, None] & wanted[:, None, None, :] & maps.allowed
    cells = cells & maps.rows[..., None]
    count = cells.sum((0, 2, 3))
    share = np.where(cells, maps.weights, 0)
    even = cells / np.maximum(maps.allowed.sum(-1, keepdims=True), 1)
    heads = maps.weights.shape[1]
    flat = share.reshape(len(share), heads, -1)
    order = np.argsort(-flat.round(5), axis=-1, kind="stable")[..., :PER_EXAMPLE]
    weight = np.take_along_axis(flat, order, -1)
    query, key = np.divmod(order, words.shape[1])
    example = np.broadcast_to((first + np.arange(len(share)))[:, None, None], order.shape)
    score = np.where(weight > 0, weight, -1).round(5)
    sums = [share.sum((0, 2, 3)), even.sum((0, 2, 3)), count]
    return {
        "link": np.stack([np.broadcast_to(part, (heads,)) for part in sums], -1).astype(np.float64),
        "link_top": _entries(score, example, query, key, weight),
    }


def plain_word(word: str) -> str:
    """Return a token as a person writes it: without marks of its tokenizer, in small letters.

    Parameters
    ----------
    word : str

    Returns
    -------
    str

    Examples
    --------
    >>> [plain_word(word) for word in ("Ġanimal", "▁It", "##ing")]
    ['animal', 'it', 'ing']
    """
    return str(word).strip("Ġ▁Ċ ").removeprefix("##").lower()


@dataclass
class Evidence:
    """What was gathered so far of the heads of one site.

    Attributes
    ----------
    ranks : int
        Strongest entries that are kept.
    sums : dict of str to array
        What adds up.
    entries : dict of str to array [head, entry, 5]
        What competes.
    tokens, pairs : list of dict, by head
        Token, or pair of tokens, to its sums.
    """

    ranks: int
    sums: Arrays = field(default_factory=dict)
    entries: Arrays = field(default_factory=dict)
    tokens: list[dict[str, tuple[float, float]]] = field(default_factory=list)
    pairs: list[dict[tuple[str, str], float]] = field(default_factory=list)

    def add(self, batch: Mapping[str, NDArray[Any]]) -> None:
        """Merge what a batch showed; batches come in the order of the data.

        Parameters
        ----------
        batch : mapping of str to array
            As :func:`gathered` returns it.
        """
        for name in ("rows", "near", "near_null", "link"):
            if name in batch:
                self.sums[name] = self.sums.get(name, 0) + batch[name]
        for name, size in (("top", self.ranks), ("drawn", RESERVOIR), ("link_top", self.ranks)):
            if name in batch:
                before = self.entries.get(name, batch[name][:, :0])
                self.entries[name] = _strongest(np.concatenate([before, batch[name]], 1), size)
        if "names" in batch:
            self._add_tokens(batch)

    def _add_tokens(self, batch: Mapping[str, NDArray[Any]]) -> None:
        names = [str(name) for name in batch["names"]]
        rows = batch["key_tokens"]
        self.tokens = self.tokens or [{} for _ in rows]
        for held, entries in zip(self.tokens, rows, strict=True):
            for code, given, even in entries.tolist():
                if given <= 0:
                    break  # the greatest come first
                name = names[int(code)]
                before, chance = held.get(name, (0.0, 0.0))
                held[name] = (before + given, chance + even)
            if len(held) > 4 * TOKENS:
                order = sorted(held, key=lambda name: -held[name][0])[TOKENS:]
                for name in order:
                    del held[name]
        if "pairs" not in batch:
            return
        self.pairs = self.pairs or [{} for _ in rows]
        for linked, entries in zip(self.pairs, batch["pairs"], strict=True):
            for code, given in entries.tolist():
                if given <= 0:
                    break
                query, key = divmod(int(code) - 1, len(names))
                pair_of = (names[query], names[key])
                linked[pair_of] = linked.get(pair_of, 0.0) + given
            if len(linked) > 8 * TOKENS:
                for pair_of in sorted(linked, key=lambda pair: -linked[pair])[2 * TOKENS :]:
                    del linked[pair_of]


def _strongest(entries: NDArray[Any], size: int) -> NDArray[Any]:
    """Return the entries [head, entry, 5] with the greatest first column; below 0 is none."""
    order = np.argsort(-entries[..., 0], axis=1, kind="stable")[:, :size]
    return np.take_along_axis(entries, order[..., None], 1)
