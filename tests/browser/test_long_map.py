"""A map of thousands of positions: from all of it to any cell, and what is asked on the way."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from planting import BACK, FAR, LENGTH, PATCHED, PATCHES, SITE, plant
from playwright.sync_api import expect

import limelight as ll

RUN = "long"
SOMETHING = re.compile(".")


@pytest.fixture(scope="module")
def planted(board):
    plant(board.logdir / RUN)
    board.lists(RUN)
    yield ll.open_run(board.logdir / RUN)
    shutil.rmtree(board.logdir / RUN)
    board.lists(RUN, there=False)


@pytest.fixture
def long(tab, planted):
    return tab.open(run=RUN)


@pytest.fixture
def asked(tab):
    """Questions for parts of the map: those sent, and those called off."""
    sent, called_off = [], []

    def tile(request):
        return "what=map" in request.url and "strongest" not in request.url

    def send(request):
        if tile(request):
            sent.append(request.url)

    def call_off(request):
        if tile(request):
            called_off.append(request.url)

    tab.page.on("request", send)
    tab.page.on("requestfailed", call_off)
    yield sent, called_off
    tab.page.remove_listener("request", send)
    tab.page.remove_listener("requestfailed", call_off)


def weight(run, query, key):
    return float(run.weights(SITE, 0)[0, 0, query, key].values)


def box(tab):
    return json.loads(tab.map.get_attribute("data-box"))


def exact(tab, query, key):
    """Point at a cell and wait for its own number."""
    tab.map.hover(position=tab.spot(query, key))
    expect(tab.readout).to_have_attribute("data-query", str(query))
    expect(tab.readout).to_have_attribute("data-key", str(key))
    expect(tab.readout).to_have_attribute("data-value", SOMETHING)
    return float(tab.readout.get_attribute("data-value"))


def about(position):
    """A position, or one that is joined with it where 16 make a cell."""
    return re.compile("^(" + "|".join(map(str, range(position - 15, position + 16))) + ")$")


def zoom_to(tab, query, key, cells=24):
    """Turn the wheel over a cell until few are in view."""
    for _ in range(60):
        if box(tab)["rows"] <= cells:
            break
        tab.map.hover(position=tab.spot(query, key))
        tab.page.mouse.wheel(0, -240)
    assert box(tab)["rows"] <= cells
    return tab.ready()


def test_the_whole_map_is_one_picture_of_joined_cells(long):
    assert (box(long)["rows"], box(long)["columns"]) == (LENGTH, LENGTH)
    expect(long.legend).to_contain_text("each cell: max of 16 × 16 weights")
    expect(long.legend).to_contain_text("not allowed")
    assert long.colours(long.map) > 10
    assert long.root.evaluate("root => root.querySelectorAll('*').length") < 1000


def test_the_wheel_leads_from_the_whole_to_a_planted_cell(long, planted):
    zoom_to(long, *FAR)
    expect(long.legend).to_contain_text("each cell: one weight")
    value = exact(long, *FAR)
    assert value == weight(planted, *FAR) > 0.5
    expect(long.readout).to_contain_text("<b>针</b>")
    assert exact(long, FAR[0] - 1, FAR[1]) == weight(planted, FAR[0] - 1, FAR[1]) < 0.1
    view = {name: long.fragment[name] for name in ("rows", "columns")}
    long.away()
    long.go(long.page.url)
    assert {name: long.fragment[name] for name in view} == view
    assert exact(long, *FAR) == value
    assert long.colours(long.map) > 3


def test_numbers_are_exact_at_any_zoom_and_cells_not_allowed_have_none(long, planted):
    for cell in [(2000, 2000 - BACK), (3000, 40), (90, 60)]:
        long.map.hover(position=long.spot(*cell))
        for axis, position in zip(("query", "key"), cell, strict=True):  # not the cell before
            expect(long.readout).to_have_attribute(f"data-{axis}", about(position))
        expect(long.readout).to_have_attribute("data-value", SOMETHING)
        query, key = (int(long.readout.get_attribute(f"data-{axis}")) for axis in ("query", "key"))
        assert float(long.readout.get_attribute("data-value")) == weight(planted, query, key)
    long.map.hover(position=long.spot(700, 3300))
    expect(long.readout).to_contain_text("not allowed")


def test_panning_asks_for_little_and_calls_off_what_it_leaves(long, asked):
    sent, called_off = asked
    long.page.reload()  # what other tests have seen is at hand too
    long.ready()
    zoom_to(long, 2000, 2000 - BACK, cells=700)
    sent.clear()
    frame = long.map.bounding_box()
    x, y = frame["x"] + 330, frame["y"] + 330
    for _ in range(3):
        long.page.mouse.move(x, y)
        long.page.mouse.down()
        for step in range(1, 16):
            long.page.mouse.move(x - 15 * step, y - 15 * step)
        long.page.mouse.up()
    long.ready()
    moved = box(long)
    assert moved["rows"] == pytest.approx(moved["columns"])
    assert 0 < len(sent) < 30, "45 moves"
    assert len(sent) == len(set(sent)) or called_off
    sent.clear()
    long.page.mouse.move(x - 225, y - 225)
    long.page.mouse.down()
    for step in range(1, 11):
        long.page.mouse.move(x - 225 + 15 * step, y - 225 + 15 * step)
    long.page.mouse.up()
    long.ready()
    again = [url for url in sent if "cells=512" in url]
    assert again == [], "what was seen is at hand"


def test_keys_zoom_move_and_show_all(long):
    long.press("+", "+")
    rows = box(long)["rows"]
    assert rows == pytest.approx(LENGTH * 0.36, rel=0.01)
    long.map.focus()
    row = box(long)["row"]
    long.press("ArrowDown")
    assert box(long)["row"] == pytest.approx(row + rows / 6, rel=0.01)
    assert "head 0" in long.inside.locator(".chosen h2").inner_text()
    long.press("-", "0")
    assert box(long)["rows"] == LENGTH
    assert "rows" not in long.fragment


def test_a_double_click_finds_the_strongest_cell_there_and_leads_back(long, planted):
    long.map.dblclick(position=long.spot(*FAR))
    long.ready()
    expect(long.legend).to_contain_text("each cell: one weight")
    assert exact(long, *FAR) == weight(planted, *FAR)
    long.map.dblclick(position=long.spot(*FAR))
    long.ready()
    assert box(long)["rows"] == LENGTH


def test_other_views_say_what_share_they_show(long):
    long.click("links")
    expect(long.legend).to_contain_text("2,000 strongest weights")
    expect(long.legend).to_contain_text("% of the mass here")
    long.open(run=RUN, lens="tokens", query=FAR[0])
    expect(long.legend).to_contain_text("% of the mass here")
    needle = long.inside.locator(f"[data-key='{FAR[1]}']")
    expect(needle).to_have_text("<b>针</b>")
    assert long.inside.locator(".word").count() <= 700


def test_patches_of_an_image_show_what_a_patch_looks_at(tab, planted):
    tab.open(run=RUN, site=PATCHED)
    count = PATCHES[0] * PATCHES[1]
    position = tab.pixel(40)
    tab.map.hover(position=position)
    expect(tab.readout).to_have_attribute("data-query", "40")
    tab.ready()
    expect(tab.readout).to_contain_text(str(divmod(count - 1 - 40, PATCHES[1])))
    expect(tab.legend).to_contain_text(f"{count:,} strongest weights, 100 % of the mass here")
    tab.map.click(position=position)
    tab.map.hover(position=tab.pixel(count - 1 - 40))
    expect(tab.readout).to_have_attribute("data-key", str(count - 1 - 40))
    expect(tab.readout).to_have_attribute("data-value", SOMETHING)
    value = float(tab.readout.get_attribute("data-value"))
    assert value == float(planted.weights(PATCHED, 0)[0, 0, 40, count - 41].values) > 0.5


def test_max_keeps_a_lone_cell_in_sight_and_mean_does_not(long):
    def far_spot():
        position = long.spot(*FAR)
        return long.map.evaluate(
            """(canvas, {x, y}) => {
              const ratio = canvas.width / canvas.clientWidth;
              const at = [Math.round((x - 3) * ratio), Math.round((y - 3) * ratio)];
              const size = Math.round(6 * ratio);
              const data = canvas.getContext("2d").getImageData(...at, size, size).data;
              return Math.max(...data.filter((_, index) => index % 4 === 1));
            }""",
            position,
        )

    bright = far_spot()
    long.choose("zoomed out", "mean")
    expect(long.legend).to_contain_text("each cell: mean of 16 × 16 weights")
    assert bright > 180 > far_spot()
