"""Parts of maps at any zoom are the whole map, pooled."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent / "store"))
from factored import RULES, site_of, vectors
from recordings import record, site

from limelight.answer import answer, extent, tiles
from limelight.capture import Probe
from limelight.capture.generation.joining import join
from limelight.capture.site import CapturedAttention, label
from limelight.errors import NotRecordedError, QueryError
from limelight.factors import factored
from limelight.query import Query
from limelight.rule import Rule
from limelight.store import Writer, open_run
from limelight.store.format.sizes import Sizes
from limelight.wire import decode, encode

POSITIONS = 75


@pytest.fixture(scope="module", params=["vectors", "large vectors", *RULES[2:], "maps", "compact"])
def run(request, tmp_path_factory):
    """Recordings of every form; the large one is also stored pooled, 32 by 32 to a cell."""
    folder = tmp_path_factory.mktemp("run")
    kind = request.param if request.param in RULES else "causal"
    made = site_of(vectors(positions=POSITIONS, examples=2, kind=kind, strength=3.0))
    if request.param in ("maps", "compact"):
        made = site(0, (2, 2, POSITIONS, POSITIONS), causal=True, padded=5)
    words = np.array([[f"{e}.{i}" for i in range(POSITIONS)] for e in range(2)])
    made["query_token"] = (("example", "query"), words)
    made["key_token"] = (("example", "key"), words)
    sizes = Sizes()
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "large vectors":
            sizes = Sizes(large=1000, sides=(4, 16))
            patch.setattr(tiles, "MOST", 1500)
        precision = "compact" if request.param == "compact" else "float16"
        with Writer(folder, precision=precision, sizes=sizes) as w:
            record(w, 0, {"a": made})
        yield open_run(folder)


def whole(run, example, head):
    site = run.stored("a").isel(example=example)
    allowed = site["allowed"]
    allowed = allowed.isel(head=head) if "head" in allowed.dims else allowed
    return site["weights"].isel(head=head).values, allowed.values


def pooled(values, allowed, part, reduce):
    """Reduce cell by cell."""
    (a, b), (c, d) = part.attrs["rows"], part.attrs["columns"]
    down, across = part.attrs["stride_rows"], part.attrs["stride_columns"]
    cells = np.zeros((-(-(b - a) // down), -(-(d - c) // across)))
    may = np.zeros(cells.shape, bool)
    for row, column in np.ndindex(cells.shape):
        cell = np.s_[
            a + row * down : min(a + row * down + down, b),
            c + column * across : min(c + column * across + across, d),
        ]
        may[row, column] = allowed[cell].any()
        if reduce == "max":
            cells[row, column] = values[cell].max()
        elif may[row, column]:
            cells[row, column] = values[cell][allowed[cell]].mean()
    return cells, may


@st.composite
def parts(draw):
    first = draw(st.integers(0, POSITIONS - 1))
    return first, draw(st.integers(first + 1, POSITIONS + 9))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.none() | parts(), columns=st.none() | parts(),
    cells=st.integers(1, 80), reduce=st.sampled_from(["max", "mean"]), example=st.integers(0, 1),
)  # fmt: skip
def test_a_part_is_the_whole_map_pooled(run, rows, columns, cells, reduce, example):
    query = Query("map", site="a", head=1, example=example, rows=rows, columns=columns,
                  cells=cells, reduce=reduce)  # fmt: skip
    part = decode(encode(answer(run, query)))
    values, allowed = whole(run, example, 1)
    wanted, may = pooled(values, allowed, part, reduce)
    np.testing.assert_allclose(part["weights"].values, wanted, rtol=1.5e-3, atol=1e-6)
    np.testing.assert_array_equal(part["allowed"], may)
    assert max(part["weights"].shape) <= cells
    for dim, asked, axis in (("query", rows, "rows"), ("key", columns, "columns")):
        first, stop = part.attrs[axis]
        stride = part.attrs[f"stride_{axis}"]
        given = asked or (0, POSITIONS)
        assert first <= given[0]
        assert stop >= min(given[1], POSITIONS)
        assert stride & (stride - 1) == 0
        valid = run.site("a")[f"{dim}_valid"].values[example, first:stop]
        valid = np.logical_or.reduceat(valid, np.arange(0, stop - first, stride))
        np.testing.assert_array_equal(part[f"{dim}_valid"], valid)
        assert part.attrs[f"{dim}_token"] == [f"{example}.{i}" for i in range(first, stop)]
    assert (part.attrs["queries"], part.attrs["keys"]) == (POSITIONS, POSITIONS)


def test_one_cell_is_one_exact_weight(run):
    values, _ = whole(run, 0, 0)
    for query, key in ((0, 0), (40, 17), (74, 3)):
        asked = Query("map", site="a", head=0, example=0, rows=(query, query + 1),
                      columns=(key, key + 1), cells=1)  # fmt: skip
        answered = answer(run, asked)["weights"]
        assert answered.shape == (1, 1)
        np.testing.assert_allclose(answered, values[query, key], rtol=1e-6)


@pytest.mark.parametrize("count", [1, 7, 5000])
@pytest.mark.parametrize("ranges", [{}, {"rows": (30, 70), "columns": (5, 50), "cells": 64}])
def test_the_strongest_weights_come_in_falling_order(run, count, ranges):
    answered = answer(run, Query("map", site="a", head=1, example=1, strongest=count, **ranges))
    rows, columns = (
        answered.attrs.get("rows", [0, POSITIONS]),
        answered.attrs.get("columns", [0, POSITIONS]),
    )
    values = whole(run, 1, 1)[0][slice(*rows), slice(*columns)]
    wanted = np.sort(values[values > 0])[::-1][:count]
    strong = answered["strong_weight"].values
    np.testing.assert_allclose(strong, wanted, rtol=1e-6)
    pairs = answered["strong_query"].values - rows[0], answered["strong_key"].values - columns[0]
    np.testing.assert_allclose(values[pairs], strong, rtol=1e-6)
    share = wanted.sum(dtype=np.float64) / values.sum(dtype=np.float64)
    assert answered.attrs["strong_share"] == pytest.approx(share, abs=2e-3)
    assert answered.attrs["strong_of"] == "ranges"


def test_all_examples_may_be_asked_for_at_once(run):
    answered = answer(run, Query("map", site="a", head=0, rows=(8, 24), cells=4))
    assert answered["weights"].dims == ("example", "query", "key")
    alone = answer(run, Query("map", site="a", head=0, example=1, rows=(8, 24), cells=4))
    np.testing.assert_array_equal(answered["weights"][1], alone["weights"])
    assert answered.attrs["key_token"][1] == alone.attrs["key_token"]


def test_a_small_map_comes_whole_and_as_before(run):
    answered = answer(run, Query("map", site="a", head=0, example=0))
    assert answered["weights"].shape == (POSITIONS, POSITIONS)
    assert "rows" not in answered.attrs
    np.testing.assert_allclose(answered["weights"], whole(run, 0, 0)[0], rtol=1e-3, atol=1e-7)


def test_the_error_of_the_stored_form_is_told(run):
    stored = answer(run, Query("map", site="a", head=0, example=0, rows=(0, 9))).attrs["stored"]
    stored_as = run.vectors("a")
    assert stored["name"] == (run.precision if stored_as is None else stored_as.precision).name
    assert 0 < stored["max_error"] <= 1e-2


def test_a_part_beyond_the_map_is_told_how_long_it_is(run):
    with pytest.raises(NotRecordedError, match=r"Got query 75\. The map has 75, numbered from 0\."):
        answer(run, Query("map", site="a", head=0, example=0, rows=(75, 80)))


@pytest.mark.parametrize("cells", [None, 16, 70])
def test_its_size_is_known_before_it_is_read(run, cells):
    query = Query("map", site="a", head=0, example=0, rows=(3, 60), cells=cells, strongest=9)
    answered = answer(run, query)
    assert answered.nbytes * 0.9 <= extent(run, query)
    if run.pooled("a", 0, 0, 0) is None:  # which may be coarser than was asked
        assert extent(run, query) <= 5 * answered.nbytes


def test_a_long_map_comes_in_512_cells(tmp_path):
    with Writer(tmp_path) as writer:
        record(writer, 0, {"a": site_of(vectors(positions=1100, heads=1))})
    answered = answer(open_run(tmp_path), Query("map", site="a", head=0, example=0))
    assert answered["weights"].shape == (275, 275)
    assert answered.attrs["stride_rows"] == 4
    assert answered.attrs["query_token"] is None


def test_generated_text_is_one_map(tmp_path):
    """The rows of a prompt, and those that a cache adds one by one, as a decoder sees them."""
    length, prompt, features = 60, 20, 4
    random = np.random.default_rng(0)
    query = random.normal(size=(1, 2, length, features)).astype(np.float32)
    key = random.normal(size=(1, 2, length, features)).astype(np.float32)
    ends = [prompt, *range(prompt + 1, length + 1)]

    def call(begin, end):
        rule = Rule.causal(end - begin, end, offset=begin)
        made = factored(query[:, :, begin:end], key[:, :, :end], rule, 0.5)
        return CapturedAttention("a", "Attention", "self", "torch", "float32", factors=made)

    calls = [call(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    probe = Probe(np.zeros((1, length), np.int64), tokens=[[f"w{i}" for i in range(length)]])
    made = label(join(calls), probe)
    with Writer(tmp_path) as writer:
        record(writer, 0, {"a": made}, probe=probe)
    run = open_run(tmp_path)
    assert run.vectors("a") is not None
    whole_pass = factored(query, key, Rule.causal(length, length), 0.5).dense()[0, 1]
    part = answer(run, Query("map", site="a", head=1, example=0, rows=(15, 60)))
    error = part.attrs["stored"]["max_error"]
    np.testing.assert_allclose(part["weights"], whole_pass[15:], atol=error)
    np.testing.assert_array_equal(part["allowed"], np.tri(length, dtype=bool)[15:])
    assert part.attrs["query_token"] == [f"w{i}" for i in range(15, 60)]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"rows": ["5:5"]}, "Got rows=5:5. Wanted two numbers from 0, the second above the first."),
        ({"columns": ["-1:5"]}, "Got columns=-1:5."),
        ({"rows": ["5"]}, "Got rows='5'. Wanted two numbers."),
        ({"rows": ["a:b"]}, "Got rows='a'. Wanted a whole number."),
        ({"cells": ["0"]}, "Got cells=0. Wanted 1 to 2048."),
        ({"cells": ["2049"]}, "Got cells=2049."),
        ({"strongest": ["5001"]}, "Got strongest=5001. Wanted 0 to 5000."),
        ({"strongest": ["1"], "example": []}, "Got 0 values for 'example'."),
    ],
)
def test_a_malformed_range_is_answered_in_words(form, message):
    plain = {"what": ["map"], "site": ["a"], "head": ["0"], "example": ["0"]}
    with pytest.raises(QueryError) as caught:
        Query.parse(plain | form)
    assert message in str(caught.value)


def test_the_strongest_are_those_of_one_example():
    with pytest.raises(QueryError, match="Name it: example=0"):
        Query("map", site="a", head=0, strongest=1)


def test_ranges_are_read_from_a_url():
    form = {"what": ["map"], "site": ["a"], "head": ["0"], "rows": ["0:5"], "columns": ["2:9"]}
    query = Query.parse(form)
    assert (query.rows, query.columns) == ((0, 5), (2, 9))


def test_memory_of_a_view_does_not_grow_with_the_map(tmp_path):
    """Of all of a map, of a half that is computed, and of a part at full zoom."""
    peaks = []
    for positions in (2048, 8192):
        random = np.random.default_rng(0)
        query, key = random.normal(size=(2, 1, 1, positions, 4))
        made = factored(query, key, Rule.causal(positions, positions), 0.5)
        with Writer(tmp_path / str(positions)) as writer:
            record(writer, 0, {"a": site_of(made)})
        run = open_run(tmp_path / str(positions))
        tracemalloc.start()
        for part in (None, (positions // 2, positions), (positions - 512, positions)):
            asked = Query("map", site="a", head=0, example=0, rows=part, columns=part)
            assert decode(encode(answer(run, asked)))["weights"].shape[0] <= 512
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
    assert peaks[1] < 8192**2 * 4 / 8, "less than an eighth of the map in single precision"
