"""The Attention page: what is under the pointer is what the array holds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from playwright.sync_api import expect
from texts import IMAGES, MARKUP, SENTENCES, TEXT

import limelight as ll


@pytest.fixture
def run(board):
    return ll.open_run(board.logdir / TEXT)


@pytest.fixture
def words(tab):
    return tab.open(run=TEXT)


def stored(run, site, step, example, head, query, key):
    return float(run.weights(site, step).values[example, head, query, key])


def test_the_tab_opens_and_paints_without_a_click(new_tab, board):
    tab = new_tab().go(f"{board.address}/#limelight")
    listed = [name for name, card in board.catalogue().items() if card["attention"]]
    expect(tab.chosen_run).to_have_text(listed[0])
    expect(tab.grid).to_be_visible()
    assert tab.colours(tab.grid) > 10
    assert tab.colours(tab.map) > 10
    assert tab.inside.locator("svg path.head").count() >= 3


def test_tensorboard_lists_the_tab_among_its_own(new_tab, board):
    tab = new_tab()
    tab.page.goto(f"{board.address}/")
    tab.page.get_by_role("tab", name="Limelight").click()
    tab.ready()
    assert tab.colours(tab.grid) > 10


@pytest.mark.parametrize(("example", "site", "head"), [(0, "layer_0", 0), (4, "layer_1", 2)])
def test_numbers_under_the_pointer_are_the_arrays(tab, run, example, site, head):
    tab.open(run=TEXT, example=example, site=site, head=head)
    weights = run.weights(site, -1).values[example, head]
    last = len(SENTENCES[example]) - 1
    for query, key in [(0, 0), (last, 0), (last, last), (last, 2), (2, 1)]:
        assert tab.hover(query, key) == float(weights[query, key])
        total = float(tab.readout.get_attribute("data-sum"))
        assert total == pytest.approx(float(weights[query].sum()), abs=1e-6)
        expect(tab.readout).to_contain_text(SENTENCES[example][key])
    tab.away()
    expect(tab.readout).to_contain_text("Point at a row")


def test_a_key_that_may_not_be_attended_says_so(words, run):
    assert not run.site("layer_0")["allowed"].values[0, 1, 4]
    words.hover(1, 4)
    expect(words.readout).to_contain_text("not allowed")
    assert "0" not in words.readout.locator("p").last.inner_text().split("→")[-1]
    words.hover(4, 1)
    expect(words.readout).not_to_contain_text("not allowed")
    expect(words.legend).to_contain_text("not allowed")


def test_padding_is_out_of_sight(words):
    box = json.loads(words.map.get_attribute("data-box"))
    assert (box["rows"], box["columns"]) == (len(SENTENCES[0]), len(SENTENCES[0]))


def test_a_click_pins_and_escape_lets_go(words, run):
    words.map.click(position=words.spot(5, 2))
    words.ready().away()
    assert words.said(5, 2) == stored(run, "layer_0", -1, 0, 0, 5, 2)
    assert (words.fragment["query"], words.fragment["key"]) == ("5", "2")
    words.press("Shift+ArrowRight", "Shift+ArrowDown")
    assert words.said(6, 3) == stored(run, "layer_0", -1, 0, 0, 6, 3)
    words.press("Escape")
    expect(words.readout).to_contain_text("Point at a row")
    assert "query" not in words.fragment


def test_a_click_on_another_head_and_the_arrow_keys_change_the_map(words, run):
    title = words.inside.locator(".chosen h2")
    expect(title).to_have_text("layer_0 · head 0")
    frame, before = words.grid.bounding_box(), words.pixels(words.map)
    pitch = frame["width"] / 3
    words.grid.click(position={"x": 1.5 * pitch, "y": frame["height"] * 0.25})
    words.ready()
    expect(title).to_have_text("layer_0 · head 1")
    assert words.pixels(words.map) != before
    assert words.hover(3, 1) == stored(run, "layer_0", -1, 0, 1, 3, 1)
    words.press("ArrowDown")
    expect(title).to_have_text("layer_1 · head 1")
    assert words.hover(3, 2) == stored(run, "layer_1", -1, 0, 1, 3, 2)
    words.press("ArrowRight", "ArrowRight")
    expect(title).to_have_text("layer_1 · head 2")
    words.press("ArrowUp", "ArrowLeft")
    expect(title).to_have_text("layer_0 · head 1")


def test_slider_and_brackets_change_the_step_and_numbers_follow(tab, run):
    steps = run.steps.tolist()
    tab.open(run=TEXT, query=6, key=1).at_step(steps[-1])
    numbers = {step: stored(run, "layer_0", step, 0, 0, 6, 1) for step in steps}
    assert len(set(numbers.values())) == len(steps)
    assert tab.said(6, 1) == numbers[steps[-1]]
    tab.press("[")
    tab.at_step(steps[-2])
    assert tab.said(6, 1) == numbers[steps[-2]]
    tab.slider.fill("0")
    tab.at_step(steps[0])
    assert tab.said(6, 1) == numbers[steps[0]]
    tab.slider.blur()  # keys pressed on the slider are its own
    tab.map.click(position=tab.spot(6, 2))
    tab.press("]")
    tab.at_step(steps[1])
    assert tab.said(6, 2) == stored(run, "layer_0", steps[1], 0, 0, 6, 2)


def test_this_head_in_numbers(words, run):
    measures = run.measures(-1)
    for name in ("entropy", "distance", "maximum", "first_key_share"):
        said = words.inside.locator(f".this-head [data-measure={name}]").get_attribute("data-value")
        wanted = measures[name].sel(site="layer_0").isel(head=0).mean().item()
        assert float(said) == pytest.approx(wanted, rel=1e-5)


def test_another_example_brings_its_own_map_and_tokens(words, run):
    expect(words.examples).to_have_count(len(SENTENCES))
    words.examples.nth(3).click()
    words.ready()
    assert words.hover(2, 1) == stored(run, "layer_0", -1, 3, 0, 2, 1)
    expect(words.readout).to_contain_text(SENTENCES[3][1])
    words.examples.nth(2).click()
    words.ready()
    words.hover(3, 1)
    expect(words.readout).to_contain_text("🎉")
    expect(words.readout).to_contain_text("👩‍👩‍👧")


def test_scales_change_colours_and_legend_but_no_number(words, run):
    meanings, pictures = set(), set()
    for scale in ("linear", "sqrt", "log", "percentile"):
        words.choose("scale", scale)
        meanings.add(words.legend.inner_text())
        pictures.add(words.pixels(words.map))
        assert words.hover(6, 3) == stored(run, "layer_0", -1, 0, 0, 6, 3)
        words.away()
    assert len(meanings) == len(pictures) == 4


def test_max_and_mean_are_named_where_cells_are_joined(tab):
    tab.open(run=IMAGES)
    under = tab.inside.locator(".grid .under")
    expect(under).to_contain_text("max of up to 2 × 2 cells")
    before = tab.pixels(tab.grid)
    tab.choose("zoomed out", "mean")
    expect(under).to_contain_text("mean of up to 2 × 2 cells")
    assert tab.pixels(tab.grid) != before


def test_heads_coloured_by_a_measure_have_its_legend(words):
    before = words.pixels(words.grid)
    words.choose("show", "entropy")
    expect(words.inside.locator(".grid .legend")).to_contain_text("entropy, nat")
    assert words.pixels(words.grid) != before


def test_an_untrained_step_and_a_trained_one_differ(words, run):
    assert not np.array_equal(run.weights("layer_0", 0), run.weights("layer_0", -1))
    expect(words.inside.locator("h3 .of")).to_have_text(f"{run.steps[-1]} of {run.steps[-1]}")


def test_text_is_text(tab):
    tab.open(run=TEXT, example=4, query=4, key=1)
    expect(tab.readout.get_by_text(MARKUP, exact=True).first).to_be_visible()
    expect(tab.examples.nth(4)).to_contain_text("<i>markup</i>")
    assert tab.inside.locator("img, [onerror], i:text('markup'), b:text-is('bold')").count() == 0
    assert tab.page.locator("img[src=x]").count() == 0
