"""What README and docs tell to write gives the numbers that the tab shows, with padding too."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import limelight as ll
from limelight.answer import answer
from limelight.capture.probe import Probe
from limelight.capture.site import CapturedAttention, assemble, label
from limelight.catalogue import analyses
from limelight.factors import factored
from limelight.measuring import measures_of, uniform_of
from limelight.query import Query
from limelight.rule import Rule
from limelight.store import Writer

ROOT = Path(__file__).resolve().parent.parent
SITES = ("padded", "closed", "vectors")
MEASURES = [name for name, card in analyses().items() if card.over == ("key",)]
IDS = np.where(np.arange(12) < np.array([12, 3, 7])[:, None], 5, 0)


def softmaxed(logits):
    weights = np.exp(logits - logits.max(-1, keepdims=True, initial=-1e3))
    return weights / np.maximum(weights.sum(-1, keepdims=True), 1e-9)


@pytest.fixture(scope="module")
def tree():
    """Captured sites: padded; with a head that allows real queries no key; kept as vectors."""
    random = np.random.default_rng(3)
    probe = Probe(IDS, tokens=lambda number: "word" if number else "")
    common = {"module_class": "Layer", "kind": "self", "framework": "numpy", "dtype": "float32"}
    logits = random.normal(0, 2, (3, 2, 12, 12)).astype(np.float32)
    # The padding of the second example looks at words, as it does in most models.
    logits = np.where((IDS == 0)[:, None, None], np.float32(-np.inf), logits)
    closed = logits.copy()
    closed[0, 1, 4:9] = -np.inf
    captured = [
        CapturedAttention("padded", weights=softmaxed(logits), logits=logits, **common),
        CapturedAttention("closed", weights=softmaxed(closed), logits=closed, **common),
    ]
    rule = Rule.of((IDS != 0)[:, None, None] & np.ones((1, 1, 12, 1), bool))
    query, key = random.normal(size=(2, 3, 2, 12, 2)).astype(np.float32)
    vectors = factored(query, key, rule, 0.5)
    captured.append(CapturedAttention("vectors", factors=vectors, **common))
    return assemble([label(site, probe) for site in captured])


@pytest.fixture(scope="module")
def run(tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs") / "run"
    sites = {name: tree[name].to_dataset() for name in SITES}
    measures = {name: measures_of(site) for name, site in sites.items()}
    uniform = {name: uniform_of(site) for name, site in sites.items()}
    with Writer(folder) as writer:
        writer.append(0, tree=tree, measures=measures, uniform=uniform)
    return ll.open_run(folder)


def shown(run, site, name, example=None):
    """Return what the tab shows [head]."""
    return answer(run, Query("measures", site=site, example=example))[name].values[-1]


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("site", SITES)
def test_the_mean_over_queries_is_what_the_tab_shows(run, tree, site, name):
    measure = getattr(ll, name)
    for weights, allowed in (
        (run.weights(site), run.site(site)["allowed"]),
        (tree[site]["weights"], tree[site]["allowed"]),
    ):
        each = measure(weights, allowed).mean("query")
        for example in range(3):
            wanted = shown(run, site, name, example)
            np.testing.assert_allclose(each.sel(example=example), wanted, atol=2e-3)
        whole = each.mean("example")
        np.testing.assert_allclose(whole, shown(run, site, name), atol=2e-3)


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/watch.md"])
def test_lines_of_the_page_say_what_the_tab_shows(page, run, tree):
    text = (ROOT / page).read_text("utf-8")
    spoken = {"ll": ll, "weights": run.weights("padded"), "run": run, "np": np}
    spoken["layers"] = ll.stack(xr.DataTree.from_dict({"padded": tree["padded"].to_dataset()}))
    lines = re.findall(r"^print\((ll\.(\w+)\((?:layers\.)?weights\).*)\)", text, re.M)
    assert lines
    for line, name in lines:
        example = 0 if "example=0" in line else None
        for first in ("", "1"):  # its own example, which is not padded, and one that is
            code = line.replace("example=0", "example=1") if first else line
            of = 1 if first and example == 0 else example
            np.testing.assert_allclose(
                np.squeeze(eval(code, spoken)), shown(run, "padded", name, of), atol=2e-3
            )


def test_rows_that_do_not_count_are_nan_and_say_so(run, tree):
    weights = run.weights("padded")
    valid = weights["query_valid"]
    np.testing.assert_array_equal(valid, IDS != 0)
    assert bool(weights.isnull().all("key").equals(~valid.broadcast_like(weights.isel(key=0))))
    assert weights.sel(example=1)["key_token"].values.tolist() == ["word"] * 3 + [""] * 9
    assert weights.isel(example=1, head=0, query=5).isnull().all()
    assert not weights.isel(example=1, head=0, query=2, key=slice(0, 3)).isnull().any()
    closed = run.weights("closed").isnull().all("key").values
    assert closed[0, 1, 4:9].all()
    assert not closed[0, 0].any()
    # What the model computed is there for whoever asks for it, as capture gave it.
    for name in SITES:
        stored = run.stored(name)["weights"]
        np.testing.assert_allclose(stored, tree[name]["weights"], atol=1e-3)
    assert {"query_valid", "query_token"} <= set(tree["padded"]["weights"].coords)


def test_a_row_that_diverged_is_counted_and_one_that_does_not_count_is_not(run, tmp_path):
    site = run.site("closed").load()
    site["weights"][0, 0, 2] = np.nan
    measures = measures_of(site)
    assert measures["nan_rows"].values.tolist() == [[1, 0], [0, 0], [0, 0]]
    with Writer(tmp_path / "again") as writer:
        writer.append(
            0,
            tree=xr.DataTree.from_dict({"closed": site}),
            measures={"closed": measures},
            uniform={"closed": uniform_of(site)},
        )
    again = ll.open_run(tmp_path / "again")
    np.testing.assert_array_equal(again.weights("closed"), site["weights"])
    assert np.isnan(again.stored("closed")["weights"]).sum() == 12
