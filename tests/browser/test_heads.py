"""Heads, and what every page and panel has, served by limelight alone without TensorBoard."""

from __future__ import annotations

import ast
import csv
import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import studied
from PIL import Image
from playwright.sync_api import expect
from tab import Tab

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
import planted

import limelight as ll
from conftest import SCREENSHOTS, opened
from limelight.apps.show import showing
from limelight.apps.show import typed as typing_room

HEADS = {"encoder/attention": 2, "decoder/cross": 2, "pool": 1, "long": 1}
RUN, MAPS, ALONE, LIVE = "a & <b>词</b>", "maps", "studies alone", "runs now"


class Alone(Tab):
    """The page by itself, in no frame of TensorBoard's."""

    @property
    def inside(self):
        return self.page

    @property
    def root(self):
        return self.page.locator("html")


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    for name in (RUN, MAPS, LIVE):
        planted.write(folder / name, planted.words)
    studied.plant(folder / RUN, HEADS)
    studied.plant(folder / ALONE, {"block/0": 3, "block/1": 2})
    return folder


def letters(text):
    """A tokenizer: a letter a token."""
    return [[ord(letter) % 30 for letter in text]], list(text)


@pytest.fixture(scope="module")
def shown(logdir):
    with showing(logdir, 0, (object(), letters)) as server:
        yield server


@pytest.fixture(scope="module")
def page(shown, browser):
    context = opened(browser, "en-US")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    made = Alone(context.new_page(), f"http://127.0.0.1:{shown.port}")
    made.go(shown.address)
    yield made
    context.close()


@pytest.fixture
def tab(page):
    page.complaints.clear()
    yield page
    assert page.complaints == []


def shoot(tab, name):
    SCREENSHOTS.mkdir(exist_ok=True)
    tab.page.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_the_head_that_survives_is_looked_at_first_and_its_numbers_are_the_studys(tab):
    tab.open(run=RUN, page="heads")
    shoot(tab, "heads")
    card = tab.inside.locator("section.card")
    expect(card).to_have_attribute("data-head", str(studied.SURE))
    expect(tab.inside.locator(".answer")).to_contain_text("1 of 6 heads matters beyond doubt")
    number = card.locator("[data-number=effect]").get_attribute("data-value")
    assert float(number) == pytest.approx(float(studied.numbers(HEADS)["effect"][0, studied.SURE]))
    cells = tab.inside.locator(".matrix [data-value]")
    drawn = cells.evaluate_all(
        "all => all.map(({ dataset: { site, head, value } }) => [site, +head, +value])"
    )
    expected = studied.numbers(HEADS)["effect"]
    assert len(drawn) == np.isfinite(expected).sum()
    for site, at, value in drawn:
        assert value == pytest.approx(float(expected.sel(site=site, head=at)))
    rows = tab.inside.locator(".forest .effect")
    ordered = rows.evaluate_all("all => all.map(row => +row.dataset.effect)")
    assert ordered == sorted(ordered, reverse=True)
    assert tab.inside.locator(".forest [data-survives]").count() == 1
    tiers = tab.inside.locator(".forest .marks [data-tier]")
    assert tiers.evaluate_all("all => all.map(mark => mark.dataset.tier)") == [
        "intervened",
        "gradient-attributed",
    ]


def test_pointing_links_the_panels_and_a_click_chooses(tab):
    tab.open(run=RUN, page="heads")
    cell = tab.inside.locator('.matrix [data-site="pool"][data-head="0"]')
    cell.hover()
    expect(tab.inside.locator(".matrix .read")).to_have_attribute("data-head", re.compile("·0$"))
    expect(tab.inside.locator('.forest .ground.pointed[data-site="pool"]')).to_have_count(1)
    cell.click()
    expect(tab.inside.locator("section.card")).to_have_attribute("data-site", "pool")
    assert tab.fragment["site"] == "pool"
    tab.press("ArrowUp")
    expect(tab.inside.locator("section.card")).to_have_attribute("data-site", "decoder/cross")
    tab.button("open its map →").click()
    tab.ready()
    expect(tab.inside.locator(".chosen h2")).to_contain_text("decoder/cross")


def test_only_maps_say_what_would_tell_which_matter(tab, logdir):
    tab.open(run=MAPS, page="heads", language="en")
    shoot(tab, "heads-maps")
    missing = tab.inside.locator("[data-missing] pre")
    line = missing.inner_text()
    assert isinstance(ast.parse(line).body[0].value, ast.Call)
    assert 'run="logs/maps"' in line
    expect(tab.inside.locator(".answer")).to_contain_text("was not measured")
    assert tab.inside.locator(".matrix").get_attribute("data-fill") == "entropy"
    entropy = ll.open_run(logdir / MAPS).measures(step=-1)["entropy"].mean("example")
    drawn = tab.inside.locator('.matrix [data-site="pool"]').get_attribute("data-value")
    assert float(drawn) == pytest.approx(
        float(entropy.sel(site="pool", head=0).squeeze()), rel=1e-4
    )


def test_studies_without_a_recording_are_shown(tab):
    tab.open(run=ALONE, page="heads")
    expect(tab.inside.locator(".matrix [data-head]")).to_have_count(5)
    expect(tab.inside.locator("section.card")).to_have_attribute("data-site", "block/0")
    tab.open(run=ALONE)
    tab.see("no whole step yet")


def test_a_study_that_runs_is_seen_as_it_goes_on(tab, logdir):
    study = studied.kept(logdir / LIVE)
    with study.running(0):
        study.publish(studied.numbers(HEADS, n=8, until=3))
        tab.open(run=LIVE, page="heads")
        expect(tab.inside.locator(".forest h2 .sub").first).to_contain_text("n = 8 examples so far")
        answer = tab.inside.locator(".answer")
        expect(answer).to_contain_text("Still running")
        expect(answer).not_to_contain_text("beyond doubt")
        waiting = tab.inside.locator(".matrix [data-pending]")
        assert waiting.count() == 3
        shoot(tab, "heads-running")
        study.publish(studied.numbers(HEADS, n=16))
        expect(waiting).to_have_count(0)
        study.finish(studied.numbers(HEADS, n=24))
    expect(tab.inside.locator(".forest h2 .sub").first).to_have_text("nat · n = 24 examples")


PANELS = [
    ("heads", ".matrix"),
    ("heads", ".forest"),
    ("heads", ".card"),
    ("attention", "section.grid"),
    ("attention", "section.curve"),
    ("attention", "section.chosen"),
    ("attention", "section.this-head"),
    ("parameters", "section.layers"),
    ("parameters", "figure.ridges"),
    ("parameters", "figure.bands"),
    ("parameters", "figure.curves"),
]


@pytest.mark.parametrize(("page_name", "panel"), PANELS)
def test_everything_leaves_every_panel(tab, logdir, page_name, panel):
    tab.open(run=RUN, page=page_name, parameters="dense/kernel")
    box = tab.inside.locator(panel).first
    title = box.locator("h2, h3").first.inner_text() if box.locator("h2, h3").count() else ""

    def take(what):
        box.locator(".panel-menu > button").click()
        return box.locator(f"[data-take={what}]")

    def saved(what):
        with tab.page.expect_download() as download:
            take(what).click()
        assert download.value.suggested_filename.endswith(f".{what}")
        return Path(download.value.path()).read_bytes()

    picture = Image.open(io.BytesIO(saved("png"))).convert("RGB")
    drawn = box.bounding_box()
    assert picture.width == pytest.approx(2 * (drawn["width"] + 16), abs=4)
    assert len(picture.getcolors(1 << 24)) > 12
    svg = ElementTree.fromstring(saved("svg"))
    words = " ".join("".join(text.itertext()) for text in svg.iter() if text.tag.endswith("text"))
    assert re.sub(r"\W", "", title[:12]).lower() in re.sub(r"\W", "", words).lower()
    assert len(words.split()) >= 4
    assert "script" not in {element.tag.rpartition("}")[2] for element in svg.iter()}
    header, *rows = csv.reader(io.StringIO(saved("csv").decode()))
    assert len(rows) > 0
    assert {len(row) for row in rows} == {len(header)}
    take("python").click()
    expect(box.locator(".panel-menu [role=status]")).to_have_text("done")
    line = tab.page.evaluate("navigator.clipboard.readText()")
    known = {"run": ll.open_run(logdir / RUN), "ll": ll, "__builtins__": {}}
    assert eval(line, known) is not None  # a line of ours, which a person would run
    take("link").click()
    link = tab.page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{tab.address}/#limelight")
    assert "token" not in link


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_six_pages_are_always_there_and_say_how_they_fill(tab, logdir, language):
    tab.open(run=ALONE, language=language)
    names = tab.inside.locator("nav button")
    assert names.count() == 6
    for name in ("paths", "compare", "bias"):
        tab.open(run=MAPS, page=name, language=language)
        code = tab.inside.locator(".notice pre").inner_text()
        run = {"ll": _Here(logdir / MAPS)}
        if name != "bias":  # what only reads does what it says
            exec(compile(code, name, "exec"), run)  # a line of ours
        assert ast.parse(code)
        tab.inside.locator(".notice .pill").click()
        tab.ready()
        assert tab.fragment.get("page") is None  # the one it leads to is the first: Attention


class _Here:
    """``limelight``, whose run of the example line is the one that is there."""

    def __init__(self, folder):
        self.open_run = lambda _name: ll.open_run(folder)


def test_a_sentence_typed_is_run_and_shown(tab, monkeypatch, shown):
    runs = []

    def captured(_model, probe):
        runs.append(probe)
        return planted.words(planted.STEPS[0])

    monkeypatch.setattr(typing_room, "capture", captured)
    monkeypatch.setattr(typing_room, "_record", lambda at, *_: planted.write(at, planted.words))
    tab.open(run=MAPS)
    box = tab.inside.locator(".typed textarea")
    box.fill("two 针 words")
    box.press("Enter")
    expect(tab.chosen_run).to_contain_text("typed/")
    tab.ready()
    assert tab.fragment["run"].startswith("typed%2F")
    assert runs[0].tokens_of(0) == tuple("two 针 words")
    assert shown.token not in tab.page.url


def test_what_does_not_work_is_said_beside_the_box(tab, monkeypatch):
    def failing(_model, _probe):
        raise RuntimeError("no such word")

    monkeypatch.setattr(typing_room, "capture", failing)
    tab.open(run=MAPS)
    tab.inside.locator(".typed textarea").fill("x")
    tab.inside.locator(".typed .pill").click()
    expect(tab.inside.locator(".typed [role=alert]")).to_contain_text("no such word")
    tab.forgive("400")  # the browser itself notes the refusal


def test_it_goes_on_when_the_server_is_back(logdir, browser):
    context = opened(browser, "en-US")
    with showing(logdir, 0) as server:
        tab = Alone(context.new_page(), f"http://127.0.0.1:{server.port}")
        tab.open(run=MAPS)
    tab.see("limelight show does not answer")
    with showing(logdir, server.port):
        expect(tab.inside.locator(".away")).to_have_count(0)
    context.close()


@pytest.mark.parametrize("width", [900, 1280, 2560])
def test_nothing_reaches_beyond_the_page(tab, width):
    tab.page.set_viewport_size({"width": width, "height": 900})
    try:
        tab.open(run=RUN, page="heads", theme="dark" if width == 1280 else "light")
        shoot(tab, f"heads-{width}")
        beyond = tab.root.evaluate(
            """root => [...root.querySelectorAll("body *")].filter(one => {
              const box = one.getBoundingClientRect();
              return box.width && !one.closest("svg, pre, code, .list")
                && (box.right > innerWidth + 1 || box.left < -1);
            }).map(one => one.className)"""
        )
        assert beyond == []
    finally:
        tab.page.set_viewport_size({"width": 1440, "height": 900})
