"""What a newcomer meets: many runs, any window, any word, keys, Back, parts that come and go."""

from __future__ import annotations

import json
import re
import shutil
import warnings

import numpy as np
import pytest
from changing import WORD, Probe, append, disc, record, site
from playwright.sync_api import expect

from conftest import SCREEN
from limelight.store import Writer

SWEEP = [f"sweep/rate=0.00{rate},seed={seed}/a" for rate in range(3) for seed in range(4)]
WORDS = ["a", WORD, *(f"word {at}" for at in range(62))]
#: An image of patches, and three positions before them.
SIDE, PATCHES = 56, (14, 14)
BESIDE = 3

#: Texts of less contrast with what lies behind them than 4.5 to 1.
PALE = """
root => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [red, green, blue] = colour.map(part =>
      part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const pale = [];
  for (const one of root.querySelectorAll("body *")) {
    const box = one.getBoundingClientRect();
    const text = [...one.childNodes].filter(node => node.nodeType === 3);
    if (!box.width || one.closest("svg, [disabled]")) continue;
    if (!text.some(node => node.textContent.trim())) continue;
    let behind = [255, 255, 255], opaque = 1;
    for (let at = one; at; at = at.parentElement) opaque *= getComputedStyle(at).opacity;
    for (let at = one; at; at = at.parentElement) {
      const ground = parts(getComputedStyle(at).backgroundColor);
      if ((ground[3] ?? 1) > 0.99) { behind = ground; break; }
    }
    const ink = parts(getComputedStyle(one).color);
    const cover = (ink[3] ?? 1) * opaque;
    const seen = [0, 1, 2].map(at => ink[at] * cover + behind[at] * (1 - cover));
    const [least, most] = [light(seen), light(behind)].sort((a, b) => a - b);
    const ratio = (most + 0.05) / (least + 0.05);
    if (ratio < 4.5) pale.push(`${ratio.toFixed(2)} ${one.className}: ${one.textContent}`);
  }
  return pale;
}
"""

#: What reaches beyond the window sideways, and what lies over another control.
AMISS = """
root => {
  const shown = [...root.querySelectorAll("main *, aside *, header *")].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width && box.height && !one.closest("svg, .table, pre, ul, code");
  });
  const beyond = shown.filter(one => one.getBoundingClientRect().right > innerWidth + 1);
  const buttons = shown.filter(one => one.matches("button:not(.site), select, input, h2, canvas"));
  const over = buttons.filter(one => buttons.some(other => {
    if (one === other || one.contains(other) || other.contains(one)) return false;
    const part = "aside, main, header";  // what scrolls by itself may pass below another
    if (one.closest(part) !== other.closest(part)) return false;
    const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
    return a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 2
      && b.top < a.bottom - 2;
  }));
  return [...beyond, ...over].map(one => `${one.tagName}.${one.className} ${one.ariaLabel}`);
}
"""


@pytest.fixture(scope="module")
def planted(board):
    """Runs of a sweep, of long words, of an image, and one whose sites come and go."""
    logdir = board.logdir
    for name in SWEEP:
        record(logdir / name, {0: {"a": site(1, 4)}})
    record(logdir / "long words", {0: {"a": site(2, len(WORDS), WORDS)}}, Probe(words=WORDS))
    layers = {
        f"{stack}/layers/{layer}/self_attention": site(2, 6)
        for stack in ("encoder", "decoder")
        for layer in range(3)
    }
    layers |= {f"decoder/layers/{layer}/cross": site(2, 6, kind="cross") for layer in range(3)}
    record(logdir / "stacks", {0: layers})
    length = BESIDE + PATCHES[0] * PATCHES[1]
    seen = site(2, length, query_layout=PATCHES, key_layout=PATCHES)
    record(logdir / "image", {0: {"attention": seen}}, Probe(images=disc(SIDE)[None]))
    notes = {"stage": "after mask and renormalisation", "reading": "axis 1 as <b>heads</b>"}
    grows = {
        0: {"first": site(2, 5)},
        10: {"first": site(3, 7, **notes), "second": site(1, 5)},
        20: {"first": site(3, 7, **notes), "second": site(1, 5)},
        30: {"first": site(3, 7, **notes), "channels": site(2, 4, kind="feature")},
    }
    record(logdir / "grows", grows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the first is set aside
        record(logdir / "again", {0: {"a": site(1, 4)}, 50: {"a": site(1, 4)}})
        record(logdir / "again", {0: {"a": site(1, 4)}})
    names = (*SWEEP, "long words", "stacks", "image", "grows", "again")
    board.lists(*names)
    yield board
    for name in ("sweep", *names[len(SWEEP) :]):
        shutil.rmtree(logdir / name)
    board.lists(*names, there=False)


class TestRuns:
    def test_an_unpinned_page_stays_with_one_run_while_two_are_written(self, new_tab, planted):
        folders = [planted.logdir / name for name in ("twin a", "twin b")]
        with Writer(folders[0]) as first, Writer(folders[1]) as second:
            append(first, 0, {"a": site(1, 4)}, Probe())
            append(second, 0, {"a": site(1, 4)}, Probe())
            planted.lists("twin a", "twin b")
            tab = new_tab().open()
            settled = tab.chosen_run.get_attribute("title").split(" · ")[0]
            order = tab.runs.all_text_contents()
            assert settled in ("twin a", "twin b")
            for step in (1, 2):  # each of the two is then the newest once, and the page hears of it
                append((first, second)[step % 2], step, {"a": site(1, 4)}, Probe())
                with tab.page.expect_response("**/catalogue"):
                    pass
                assert tab.ready().chosen_run.get_attribute("title").startswith(settled)
            assert tab.runs.all_text_contents() == order
            for name in ("twin a", "twin b"):
                expect(tab.run(name).locator(".dot.on")).to_be_visible()
        for folder in folders:
            shutil.rmtree(folder)
        planted.lists("twin a", "twin b", there=False)

    def test_many_runs_are_filtered_and_told_apart(self, tab, planted):
        tab.open(run=SWEEP[5])
        expect(tab.runs).to_have_count(len(planted.catalogue()))
        box = tab.inside.get_by_label("Filter runs")
        box.fill("rate=0.002 SEED=3")
        expect(tab.runs).to_have_count(2)  # and the one in view
        titles = tab.run_titles()
        assert titles == [SWEEP[5], "sweep/rate=0.002,seed=3/a"]
        box.fill("sweep")
        names = tab.runs.evaluate_all("rows => rows.map(row => row.innerText.trim())")
        assert len(set(names)) == len(SWEEP)
        box.fill("")
        tab.ready()

    def test_a_history_that_was_set_aside_stands_beside_its_run(self, tab, planted):
        tab.open(run="again@1").at_step(50)
        assert tab.colours(tab.map) > 2
        expect(tab.chosen_run).to_have_attribute("title", re.compile("set aside"))
        names = tab.run_titles()
        assert names.index("again@1") == names.index("again") + 1


class TestAnyWindow:
    @pytest.mark.parametrize("width", [800, 1100, 1280, 1920, 3840])
    def test_nothing_lies_beyond_or_over_another(self, tab, planted, width):
        tab.page.set_viewport_size({"width": width, "height": width * 9 // 16})
        try:
            for view in (
                {"run": "stacks", "query": 2, "key": 1},
                {"run": "image", "query": 100},
                {"run": "stacks", "lens": "links", "language": "zh"},
            ):
                tab.open(**view)
                assert tab.root.evaluate(AMISS) == [], view
                drawn = tab.inside.locator(".chosen canvas").first.bounding_box()
                assert min(drawn["width"], drawn["height"]) > min(300, width / 4), view
                if width > 3000 and "lens" not in view:  # what there is room for is used
                    assert drawn["height"] > width * 9 / 16 * 0.45
        finally:
            tab.page.set_viewport_size(SCREEN)

    @pytest.mark.parametrize("percent", [50, 150, 200])
    def test_it_can_be_enlarged(self, browser, planted, percent):
        size = {name: round(100 * size / percent) for name, size in SCREEN.items()}
        context = browser.new_context(viewport=size, device_scale_factor=percent / 100)
        from tab import Tab

        tab = Tab(context.new_page(), planted.address)
        tab.open(run="stacks", query=2, key=1)
        amiss = tab.root.evaluate(AMISS)
        context.close()
        assert amiss == []
        assert tab.complaints == []

    def test_a_long_word_pointed_at_moves_nothing(self, tab, planted):
        tab.open(run="long words")
        before = tab.map.bounding_box(), tab.legend.bounding_box()
        tab.hover(1, 1)
        assert (tab.map.bounding_box(), tab.legend.bounding_box()) == before
        text = tab.readout.inner_text()
        assert "wordword" in text
        assert WORD not in text


class TestKeys:
    def test_the_list_of_keys_opens_and_closes_by_keys(self, tab, planted):
        tab.open(run="stacks", query=1, key=1)
        dialog = tab.inside.get_by_role("dialog")
        for closing in ("Escape", "?", "Escape"):
            tab.press("?")
            expect(dialog).to_be_visible()
            tab.press(closing)
            expect(dialog).to_have_count(0)
        assert tab.fragment["query"] == "1"  # Esc closed the list, and no more
        tab.press("Escape")
        assert "query" not in tab.fragment

    def test_a_short_map_is_zoomed_by_keys_and_the_address_keeps_it(self, tab, new_tab, planted):
        tab.open(run="long words")
        whole = json.loads(tab.map.get_attribute("data-box"))
        tab.press("+", "+")
        near = json.loads(tab.map.get_attribute("data-box"))
        assert near["columns"] < whole["columns"]
        assert near["rows"] < whole["rows"]
        other = new_tab().go(tab.page.url)
        assert json.loads(other.map.get_attribute("data-box")) == near
        tab.press("-")
        assert json.loads(tab.map.get_attribute("data-box"))["rows"] > near["rows"]
        tab.press("0")
        assert json.loads(tab.map.get_attribute("data-box")) == whole
        assert "rows" not in tab.fragment

    def test_back_leads_to_the_view_before_and_stays_on_the_page(self, tab, planted):
        tab.open(run="stacks")
        addresses = [tab.fragment]
        for deed in (
            lambda: tab.press("ArrowRight"),
            lambda: tab.click("links"),
            lambda: tab.click("Weights"),
        ):
            tab.page.wait_for_timeout(750)  # a walk by keys counts as one deed
            deed()
            addresses.append(tab.fragment)
        for address in addresses[-2::-1]:
            tab.page.go_back()
            tab.ready()
            expect(tab.page).to_have_url(re.compile("#limelight"))
            assert tab.fragment.get("lens") == address.get("lens")
            assert tab.fragment.get("page") == address.get("page")
            assert tab.fragment.get("head", "0") == address.get("head", "0")

    def test_tab_stops_at_each_control_once(self, tab, planted):
        """A list is one stop, whatever its length; arrow keys lead on within it."""
        tab.open(run="stacks")
        tab.page.keyboard.press("Tab")
        stops = tab.root.evaluate(
            """root => [...root.querySelectorAll("button, input, select, a, [tabindex]")]
              .filter(one => one.tabIndex >= 0 && !one.disabled && one.offsetWidth).length"""
        )
        assert stops <= 32  # six pages, a menu for each panel, and what is in the rail
        tab.chosen_run.focus()
        tab.page.keyboard.press("Tab")
        tab.page.keyboard.press("Shift+Tab")
        before = tab.chosen_run.get_attribute("title")
        tab.page.keyboard.press("ArrowDown")
        assert tab.inside.locator(":focus").get_attribute("title") != before
        assert tab.chosen_run.get_attribute("title") == before

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_every_text_can_be_read(self, tab, planted, theme):
        for view in (
            {"run": "stacks", "query": 1, "key": 1},
            {"run": "image"},
            {"run": "grows", "site": "channels", "step": 0, "follow": "false"},
            {"run": "stacks", "lens": "links"},
            {"run": "stacks", "page": "parameters"},
        ):
            tab.open(theme=theme, **view)
            assert tab.root.evaluate(PALE) == [], view

    def test_the_frame_says_what_it_is(self, tab, planted):
        frame = tab.page.locator('iframe[src*="name=limelight"]')
        assert frame.get_attribute("title") == "Limelight"


class TestComeAndGo:
    def test_a_site_that_is_missing_says_so_and_leads_to_the_nearest_step(self, tab, planted):
        tab.open(run="grows", site="second", step=0, follow="false")
        tab.see("The model has no such attention at step 0")
        tab.click("Go to step 10 →").at_step(10)
        assert tab.colours(tab.map) > 2
        tab.press("]", "]")
        tab.at_step(30)
        tab.click("Go to step 20 →").at_step(20)
        expect(tab.inside.locator(".chosen h2")).to_contain_text("second")

    def test_each_step_is_shown_in_its_own_sizes(self, tab, planted):
        tab.open(run="grows", site="first", head=2)
        box = json.loads(tab.map.get_attribute("data-box"))
        assert (box["rows"], box["columns"]) == (7, 7)
        expect(tab.inside.locator(".chosen h2")).to_contain_text("head 2")
        tab.press("[", "[", "[")
        tab.at_step(0)
        box = json.loads(tab.map.get_attribute("data-box"))
        assert (box["rows"], box["columns"]) == (5, 5)
        expect(tab.inside.locator(".chosen h2")).to_contain_text("head 1")  # it has no more

    def test_notes_stand_under_the_name_as_text(self, tab, planted):
        tab.open(run="grows", site="first")
        expect(tab.inside.locator("[data-note=stage]")).to_contain_text("after mask and renorm")
        expect(tab.inside.locator("[data-note=reading]")).to_contain_text("axis 1 as <b>heads</b>")
        tab.press("ArrowDown")
        expect(tab.inside.locator(".chosen .sub").first).to_contain_text("softmax over features")
        expect(tab.inside.locator("[data-note]")).to_have_count(0)
        expect(tab.inside.get_by_text("over features", exact=True)).to_be_visible()


class TestImages:
    def test_an_image_keeps_its_resolution_and_colours(self, tab, planted):
        tab.open(run="image", query=BESIDE)
        tab.click("image only")
        image = disc(SIDE)
        side = json.loads(tab.map.get_attribute("data-box"))["side"] * PATCHES[0] / SIDE
        for row, column in ((5, 5), (28, 28), (3, 50), (50, 3), (53, 53)):
            seen = tab.map.evaluate(
                """(canvas, [x, y]) => {
                  const scale = canvas.width / canvas.clientWidth;
                  const context = canvas.getContext("2d");
                  return [...context.getImageData(x * scale, y * scale, 1, 1).data];
                }""",
                [(column + 0.5) * side, (row + 0.5) * side],
            )
            np.testing.assert_allclose(seen[:3], image[row, column], atol=1)
        tab.click("image only")
        assert tab.inside.locator(".beside [data-position]").count() == BESIDE

    def test_positions_beside_the_image_can_be_pinned(self, tab, planted):
        tab.open(run="image")
        tab.inside.locator(".beside [data-position='1']").click()
        assert tab.ready().fragment["query"] == "1"
        expect(tab.readout).to_have_attribute("data-query", "1")
