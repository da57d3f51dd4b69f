"""The Weights page under the pointer, while training, with NaN, and with hundreds of parameters."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import expect
from texts import LIVE, WEIGHTS

import limelight as ll
from limelight.capture.parameters import summarise
from limelight.store import Writer

DIVERGED, DEEP, UNWEIGHED = "diverged", "deep", "attention only"
BLOCKS = 80  # of four parameters each


def diverged(step):
    values = np.random.default_rng(2).normal(size=(40, 8))
    values.flat[:step] = np.nan
    values.flat[step : step + 1] = np.inf if step else 1.0
    return {"head/kernel": values, "lost/kernel": np.full((4, 4), np.nan)}


def deep(step):
    rng = np.random.default_rng(3)
    named = {}
    for block in range(BLOCKS):
        spread = 0.05 * (1 + step * block / 2000)
        named[f"block_{block}/kernel"] = rng.normal(0, spread, (16, 16))
        for part in ("bias", "gamma", "beta"):
            named[f"block_{block}/{part}"] = rng.normal(0, spread, 16)
    return named


@pytest.fixture(scope="module")
def recorded(board):
    """Runs that no small model trains to: diverged, deep, and with attention but no weights."""
    for name, weights, steps in [(DIVERGED, diverged, (0, 5, 9)), (DEEP, deep, range(0, 900, 30))]:
        with Writer(board.logdir / name) as writer:
            for step in steps:
                writer.append(step, parameters=summarise(weights(step)))
    even = xr.DataArray(np.full((1, 1, 2, 2), 0.5), dims=("example", "head", "query", "key"))
    with Writer(board.logdir / UNWEIGHED) as writer:
        writer.append(0, tree=xr.DataTree.from_dict({"attention": xr.Dataset({"weights": even})}))
    names = (DIVERGED, DEEP, UNWEIGHED)
    board.lists(*names)
    yield board
    for name in names:
        shutil.rmtree(board.logdir / name, ignore_errors=True)
    board.lists(*names, there=False)


def weights_of(tab, run, **selection):
    return tab.open(run=run, page="parameters", **selection)


def figure(tab, parameter):
    return tab.inside.locator(f"figure[data-parameter='{parameter}']")


def row(tab, parameter):
    return tab.inside.locator(f"tr[data-parameter='{parameter}']")


def point(tab, parameter, across, down):
    """Point at a place of a panel, given as shares of its sides; return what is said there."""
    canvas = figure(tab, parameter).locator("canvas")
    box = canvas.bounding_box()
    canvas.hover(position={"x": across * box["width"], "y": down * box["height"]})
    reading = figure(tab, parameter).locator(".reading")
    expect(reading).to_be_visible()
    names = ("step", "low", "high", "count", "share")
    return {name: float(reading.get_attribute(f"data-{name}")) for name in names}


def test_the_bin_under_the_pointer_is_made_of_recorded_ones(tab, board):
    run = ll.open_run(board.logdir / WEIGHTS)
    weights_of(tab, WEIGHTS)
    steps = set()
    for across, down in [(0.4, 0.5), (0.45, 0.62), (0.5, 0.72), (0.6, 0.87)]:
        said = point(tab, "dense/kernel", across, down)
        recorded = run.parameters("dense/kernel", step=int(said["step"])).squeeze()
        counts = recorded["count"].values
        left = np.maximum(recorded["left"].values, float(recorded["min"]))
        right = np.minimum(recorded["right"].values, float(recorded["max"]))
        inside = (left >= said["low"] - 1e-12) & (right <= said["high"] + 1e-12) & (counts > 0)
        assert said["count"] == counts[inside].sum()
        assert said["share"] == said["count"] / (6 * 16)
        steps.add(said["step"])
    assert len(steps) > 1  # further down is newer


def test_a_click_on_a_ridge_goes_to_its_step(tab):
    weights_of(tab, WEIGHTS)
    said = point(tab, "dense/kernel", 0.45, 0.5)
    newest = tab.inside.locator("section.layers").get_attribute("data-step")
    assert f"{said['step']:.0f}" != newest
    before = tab.pixels(figure(tab, "dense/kernel").locator("canvas"))
    tab.page.mouse.down()
    tab.page.mouse.up()
    tab.at_step(f"{said['step']:.0f}")
    expect(tab.inside.locator("section.layers")).to_have_attribute(
        "data-step", f"{said['step']:.0f}"
    )
    assert tab.fragment["follow"] == "false"
    tab.away()
    assert tab.pixels(figure(tab, "dense/kernel").locator("canvas")) != before


def test_own_axes_fit_each_panel_and_stay_in_the_address(tab, new_tab):
    weights_of(tab, WEIGHTS)
    row(tab, "dense_1/bias").click(modifiers=["Shift"])
    tab.ready()
    canvases = [figure(tab, name).locator("canvas") for name in ("dense/kernel", "dense_1/bias")]
    tab.away()
    shared = [tab.pixels(canvas) for canvas in canvases]
    tab.choose("ridges", "own")
    tab.away()
    assert [tab.pixels(canvas) for canvas in canvases] != shared
    assert tab.fragment["axis"] == "own"
    other = new_tab().go(tab.page.url)
    expect(other.inside.locator("label.field", has_text="ridges").locator("select")).to_have_value(
        "own"
    )
    tab.choose("ridges", "shared")
    tab.away()
    assert [tab.pixels(canvas) for canvas in canvases] == shared


def test_the_python_line_gives_what_is_shown(tab):
    weights_of(tab, WEIGHTS, parameters="dense/kernel")
    expect(tab.inside.locator("footer code")).to_have_text('run.parameters("dense/kernel")')


def test_new_steps_join_the_ridges(tab, board, trainer):
    weights_of(tab, LIVE)
    canvas = tab.inside.locator("figure canvas").first
    steps = len(ll.open_run(board.logdir / LIVE).steps)
    expect(canvas).to_have_attribute("aria-label", re.compile(f"over {steps} steps"))
    newest = trainer.step()
    tab.at_step(f"{newest:,}")
    expect(tab.inside.locator("section.layers")).to_have_attribute("data-step", str(newest))
    expect(canvas).to_have_attribute("aria-label", re.compile(f"over {steps + 1} steps"))


def test_weights_that_are_no_numbers_are_said_in_words(tab, recorded, shoot):
    weights_of(tab, DIVERGED, parameters="head/kernel")
    broken = row(tab, "head/kernel").locator(".broken")
    expect(broken).to_have_text("10 of 320 not finite since step 5")
    row(tab, "lost/kernel").click()
    expect(figure(tab, "lost/kernel")).to_contain_text("no finite value at any step")
    expect(row(tab, "lost/kernel").locator("[data-column=std]")).to_have_text("—")
    shoot("weights-not-finite")
    tab.slider.fill("0")
    expect(broken).to_have_count(0)


def test_hundreds_of_parameters(tab, recorded, shoot):
    weights_of(tab, DEEP)
    folds = tab.inside.locator("tr[data-fold]")
    expect(folds.first).to_have_attribute("data-fold", "block_0")
    assert 10 < folds.count() < 60  # what is out of sight is not there
    folds.first.click()
    rows = tab.inside.locator("tr[data-parameter]")
    expect(rows).to_have_count(4)
    shoot("weights-deep")
    tab.inside.locator("label.field", has_text="tensors").locator("select").select_option("all")
    tab.ready()
    tab.inside.get_by_role("button", name="std ± of values").click()
    run = ll.open_run(recorded.logdir / DEEP)
    std = run.parameters(list(run.parameter_names), step=-1)["std"].isel(step=0)
    greatest, least = std.idxmax().item(), std.idxmin().item()
    expect(rows.first).to_have_attribute("data-parameter", greatest)
    table = tab.inside.locator(".layers .table")
    table.evaluate("box => { box.scrollTop = box.scrollHeight }")
    expect(rows.last).to_have_attribute("data-parameter", least)
    tab.inside.get_by_role("searchbox", name="Filter tensors").fill("block_7 gamma")
    tab.ready()
    assert rows.count() == 11  # 7, and 70 to 79
    rows.last.hover()
    tab.inside.get_by_role("button", name="The same in all layers: block_*/gamma").last.click()
    tab.ready()
    assert tab.fragment["match"] == "block_*%2Fgamma"
    expect(tab.inside.locator("figure.ridges")).to_have_count(4)  # one axis has room for four
    assert tab.inside.get_by_text(f"{BLOCKS} of {4 * BLOCKS}").count() == 1


def test_a_run_without_weights_says_which_line_records_them(tab, recorded):
    weights_of(tab, UNWEIGHED)
    tab.see("This run has no weights recorded")
    expect(tab.inside.locator("pre")).to_contain_text('ll.KerasCallback("logs/run")')
