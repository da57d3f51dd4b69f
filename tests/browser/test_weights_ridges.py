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
from limelight.capture.by_time import ByTime
from limelight.capture.parameters import summarise, summed_up
from limelight.store import Step, Writer

DIVERGED, DEEP, UNWEIGHED = "diverged", "deep", "attention only"
RECURRENT, LONG = "recurrent", "long names"
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


def long_named(step):
    rng = np.random.default_rng(4)
    stem = "model/transformer/encoder_layers"
    return {
        f"{stem}/{layer}/{part}/weight": rng.normal(0, 0.1 + step / 100, (8, 8))
        for layer in range(3)
        for part in ("self_attention/query_projection", "feed_forward/down_projection")
    }


def fading(step):
    """Gradients by time step of a layer: each time step back has so much less."""
    by_time = ByTime()
    by_time.add("lstm", (np.arange(1, 31) * 10.0 ** (step / 10 - 3)) ** 2)
    return by_time.table()


@pytest.fixture(scope="module")
def recorded(board):
    """Runs that no small model trains to: diverged, deep, recurrent; one without weights."""
    for name, weights, steps in [(DIVERGED, diverged, (0, 5, 9)), (DEEP, deep, range(0, 900, 30))]:
        with Writer(board.logdir / name) as writer:
            for step in steps:
                writer.append(step, parameters=summarise(weights(step)))
    with Writer(board.logdir / LONG) as writer:
        for step in range(0, 50, 10):
            writer.append(step, parameters=summed_up(long_named(step)))
    with Writer(board.logdir / RECURRENT) as writer:
        for step in (0, 10, 20):
            parameters = summed_up({"lstm/kernel": np.full((3, 4), 1.0 + step)})
            tensors = {"time": fading(step)}
            writer.publish(Step(step, parameters=parameters, tensors=tensors))
    even = xr.DataArray(np.full((1, 1, 2, 2), 0.5), dims=("example", "head", "query", "key"))
    with Writer(board.logdir / UNWEIGHED) as writer:
        writer.append(0, tree=xr.DataTree.from_dict({"attention": xr.Dataset({"weights": even})}))
    names = (DIVERGED, DEEP, UNWEIGHED, LONG, RECURRENT)
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


def test_gradients_by_time_step_are_drawn_and_read(tab, recorded):
    weights_of(tab, RECURRENT, curve="time")
    chart = tab.inside.locator("[data-curve=time] .chart")
    expect(chart.locator("path[data-line]")).to_have_count(2)
    box = chart.locator("svg").bounding_box()
    chart.locator("svg").hover(position={"x": box["width"] - 6, "y": 60})
    reading = chart.locator(".readings")
    expect(reading.locator("b")).to_have_text("time step 29")
    norms = ll.open_run(recorded.logdir / RECURRENT).tensors("time")["norm"]
    for step in (0, 20):
        said = reading.locator(f"[data-line='lstm, step {step}']").get_attribute("data-value")
        assert float(said) == norms.sel(step=step, parameter="lstm").isel(time=29).item()
    tab.slider.fill("1")
    expect(chart.locator("path[data-line='lstm, step 10']")).to_have_count(1)


def asked_at(requests, step):
    return [url for url in requests if re.search(rf"what=tensors.*steps=0&at={step}$", url)]


def test_the_steps_beside_are_there_before_they_are_asked(tab, recorded):
    requests = []
    tab.page.on("request", lambda request: requests.append(request.url))
    weights_of(tab, LONG)
    with tab.page.expect_request(lambda request: bool(asked_at([request.url], 20))):
        tab.press("[")  # to 30, and then what is before it
    requests.clear()
    tab.press("[")
    tab.at_step("20")
    expect(tab.inside.locator("section.layers")).to_have_attribute("data-step", "20")
    assert asked_at(requests, 20) == []


def test_numbers_stay_till_those_of_the_next_step_are_there(tab, recorded):
    weights_of(tab, DEEP)
    rows = tab.inside.locator("section.layers")
    held = []
    tab.page.route(re.compile(r"steps=0&at=300$"), lambda route: held.append(route))
    tab.slider.fill("10")
    expect(tab.slider).to_have_attribute("aria-valuetext", "step 300")
    assert rows.get_attribute("data-step") == "870"
    assert rows.get_by_text("no value at this step").count() == 0
    expect(rows.locator(".distribution").first).to_be_visible()
    for route in held:
        route.continue_()
    tab.page.unroute_all()
    expect(rows).to_have_attribute("data-step", "300")


def test_what_is_not_recorded_is_said_and_not_asked(tab, recorded):
    weights_of(tab, DEEP, kind="gradient")
    tab.see("This run has no gradients recorded")
    tab.click("See its weights")
    expect(tab.inside.locator("tr[data-fold]").first).to_be_visible()


@pytest.mark.parametrize("wide", [1280, 1440])
def test_columns_fit_beside_long_names(tab, recorded, wide):
    size = tab.page.viewport_size
    tab.page.set_viewport_size({"width": wide, "height": 900})
    weights_of(tab, LONG)
    row(tab, "model/transformer/encoder_layers/0/self_attention/query_projection/weight").hover()
    table = tab.inside.locator(".layers .table")
    hidden = table.evaluate("box => box.scrollWidth - box.clientWidth")
    names = tab.inside.locator(".layers .layer").all_inner_texts()
    tab.page.set_viewport_size(size)
    assert hidden <= 0
    assert [name for name in names if name] == ["…/0", "…/1", "…/2"]


def test_pictures_take_the_room_that_a_short_table_leaves(tab, recorded):
    weights_of(tab, LONG)
    pictures = tab.inside.locator(".pictures .panels").bounding_box()
    footer = tab.inside.locator(".parameters > footer").bounding_box()
    assert footer["y"] - pictures["y"] - pictures["height"] < 12
    svg = tab.inside.locator(".bands svg").first.bounding_box()
    assert svg["height"] > 300
