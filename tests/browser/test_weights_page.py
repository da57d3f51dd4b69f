"""The Weights page: distributions and statistics, equal to what was recorded."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect
from texts import TEXT, WEIGHTS

import limelight as ll

#: Columns, the kind of tensor whose numbers they are, and what these are called there.
COLUMNS = {
    "std": ("parameter", "std"),
    "w1_from_start": ("parameter", "w1_from_start"),
    "kurtosis": ("parameter", "kurtosis"),
    "gradient": ("gradient", "norm"),
    "ratio": ("update", "ratio"),
}
NAMES = "rows => rows.map(row => row.dataset.parameter)"


@pytest.fixture
def run(board):
    return ll.open_run(board.logdir / WEIGHTS)


@pytest.fixture
def page(tab):
    return tab.open(run=WEIGHTS, page="parameters")


def test_the_table_prints_what_was_recorded(page, run):
    rows = page.inside.locator("tr[data-parameter]")
    names = rows.evaluate_all(NAMES)
    assert names == list(run.parameter_names)
    for back in range(2):
        step = int(run.steps[-1 - back])
        for column, (kind, number) in COLUMNS.items():
            recorded = run.tensors(kind, names, step)[number].isel(step=0)
            for at, name in enumerate(names):
                cell = rows.nth(at).locator(f"[data-column={column}]")
                said = float(cell.get_attribute("data-value"))
                np.testing.assert_equal(
                    said, float(recorded.sel(parameter=name)), f"{column} {name}"
                )
        page.press("[")


def test_numbers_are_printed_as_they_are(page, run):
    std = run.parameters("dense/kernel", step=-1)["std"].item()
    cell = page.inside.locator("tr[data-parameter='dense/kernel'] [data-column=std]")
    assert abs(float(cell.inner_text()) - std) <= 0.00051
    page.inside.locator(".columns summary").click()
    page.inside.get_by_label("zeros").check()
    zeros = page.inside.locator("tr[data-parameter='dense/kernel'] [data-column=zeros]")
    expect(zeros).to_have_text("0 %")
    assert "statistics" in page.fragment
    page.inside.locator(".columns summary").click()


def test_ridges_are_painted_and_say_their_counts(page, run):
    figure = page.inside.locator("figure.ridges")
    expect(figure).to_have_attribute("data-parameter", "dense/kernel")
    canvas = figure.locator("canvas")
    assert page.colours(canvas) > 8
    canvas.focus()
    page.page.keyboard.press("ArrowRight")
    reading = figure.locator(".reading")
    expect(reading).to_be_visible()
    names = ("step", "low", "high", "count", "share")
    said = {name: float(reading.get_attribute(f"data-{name}")) for name in names}
    counted(run, "parameter", "dense/kernel", said)


def counted(run, kind, name, said):
    """Compare what is said of a bin with whole bins of the recording."""
    recorded = run.tensors(kind, name, int(said["step"])).squeeze()
    counts = recorded["count"].values
    # The outer bins end where the values do.
    left = np.maximum(recorded["left"].values, float(recorded["min"]))
    right = np.minimum(recorded["right"].values, float(recorded["max"]))
    inside = (left >= said["low"] - 1e-12) & (right <= said["high"] + 1e-12) & (counts > 0)
    assert said["count"] == counts[inside].sum()
    assert said["share"] == pytest.approx(said["count"] / counts.sum())


def test_what_is_chosen_is_kept_in_the_address(page, new_tab):
    page.inside.locator("tr[data-parameter='dense_1/bias']").click()
    page.ready()
    page.inside.locator("tr[data-parameter='dense/kernel']").click(modifiers=["Shift"])
    page.ready()
    page.choose("axis", "symlog")
    other = new_tab().go(page.page.url)
    for tab in (page, other):
        figures = tab.inside.locator("figure.ridges")
        expect(figures).to_have_count(2)
        assert figures.evaluate_all(NAMES) == ["dense_1/bias", "dense/kernel"]
        expect(tab.chosen_run).to_have_text(WEIGHTS)
        expect(tab.inside.locator("tr[aria-selected=true]")).to_have_count(2)
        expect(tab.inside.locator("label.field select").first).to_have_value("symlog")
    page.click("Remove dense_1/bias")
    expect(page.inside.locator("figure.ridges")).to_have_count(1)


def test_gradients_have_distributions_of_their_own(page, run):
    page.click("gradients")
    assert page.fragment["kind"] == "gradient"
    figure = page.inside.locator("figure.ridges")
    figure.locator("canvas").focus()
    for _ in range(2):
        page.page.keyboard.press("ArrowLeft")
    reading = figure.locator(".reading")
    expect(reading).to_be_visible()
    names = ("step", "low", "high", "count", "share")
    said = {name: float(reading.get_attribute(f"data-{name}")) for name in names}
    counted(run, "gradient", figure.get_attribute("data-parameter"), said)
    expect(page.inside.locator("footer code")).to_contain_text('run.tensors("gradient"')


def test_pointing_at_a_step_reads_every_picture_and_a_click_goes_there(page, run):
    chart = page.inside.locator(".curves .chart")
    box = chart.locator("svg").bounding_box()
    chart.locator("svg").hover(position={"x": box["width"] - 6, "y": 30})
    newest = int(run.steps[-1])
    reading = chart.locator(".readings")
    expect(reading).to_have_attribute("data-step", str(newest))
    said = reading.locator("[data-line='gradient norm']").get_attribute("data-value")
    name = page.inside.locator("figure.ridges").get_attribute("data-parameter")
    assert float(said) == run.tensors("gradient", name, newest)["norm"].item()
    expect(page.inside.locator(".bands .pointed")).to_have_count(1)
    expect(page.inside.locator(".losses .pointed")).to_have_count(1)
    chart.locator("svg").click(position={"x": 41, "y": 30})
    page.at_step("0")
    page.away()


def test_losses_and_their_gap_are_those_of_training(page, run):
    training = run.tensors("training", counts=False)
    last = {
        name: training[name].dropna("step").isel(step=-1).item() for name in ("loss", "val_loss")
    }
    losses = page.inside.locator(".losses")
    expect(losses.locator("[data-line=validation]")).to_have_count(1)
    gap = losses.locator("[data-gap]")
    assert float(gap.get_attribute("data-gap")) == last["val_loss"] - last["loss"]
    expect(gap).to_contain_text("one run, no interval")


def test_a_ticked_run_is_drawn_beside_and_grouped(page):
    tick = page.inside.get_by_label(f"Draw {TEXT} beside the run in view")
    tick.check()
    page.ready()
    # It has other tensors, and so nothing but losses to show beside.
    lines = page.inside.locator(".losses path[data-line]")
    expect(lines).to_have_count(3)
    expect(page.inside.locator(".losses [data-n='1']")).to_have_count(1)
    tick.uncheck()
    page.ready()
    expect(lines).to_have_count(2)


def test_a_run_with_attention_has_its_weights_too(tab):
    tab.open(run=TEXT)
    tab.click("Weights")
    assert tab.colours(tab.inside.locator("figure canvas")) > 8
    assert tab.fragment["page"] == "parameters"


def test_a_run_without_attention_leads_to_its_weights(tab):
    tab.open(run=WEIGHTS)
    tab.see("This run has no attention maps")
    tab.click("See its weights →")
    assert tab.colours(tab.inside.locator("figure canvas")) > 8


def test_the_runs_name_is_text(page):
    expect(page.chosen_run).to_have_text(WEIGHTS)
    assert page.inside.locator("b:text-is('x')").count() == 0
