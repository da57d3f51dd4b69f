"""Heads over an image, and heads with one query as text."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect
from texts import IMAGES, MARKUP, POOLING, SENTENCES

import limelight as ll


@pytest.fixture
def images(board):
    return ll.open_run(board.logdir / IMAGES)


@pytest.fixture
def pooling(board):
    return ll.open_run(board.logdir / POOLING)


def test_a_pixel_pointed_at_shows_what_it_looks_at(tab, images):
    tab.open(run=IMAGES, head=1)
    weights = images.weights("pixels", -1).values[0, 1]
    for position in (0, 20, 63):
        tab.map.hover(position=tab.pixel(position))
        expect(tab.readout).to_have_attribute("data-query", str(position))
        assert tab.readout.get_attribute("data-key") is None
        strongest = int(np.argmax(weights[position]))
        row, column = divmod(strongest, 8)
        said = tab.readout.locator("p").first.inner_text()
        assert f"({position // 8}, {position % 8})" in said
        assert f"({row}, {column})" in said
        total = float(tab.readout.get_attribute("data-sum"))
        assert total == pytest.approx(float(weights[position].sum()), abs=1e-5)
    assert tab.colours(tab.map) > 10


def test_a_pinned_pixel_then_tells_each_weight(tab, images):
    tab.open(run=IMAGES)
    weights = images.weights("pixels", -1).values[0, 0]
    tab.map.click(position=tab.pixel(20))
    tab.ready()
    assert tab.fragment["query"] == "20"
    for key in (3, 36, 60):
        tab.map.hover(position=tab.pixel(key))
        assert tab.said(20, key) == float(weights[20, key])


def test_the_same_head_as_a_map(tab, images):
    tab.open(run=IMAGES, example=2)
    before = tab.pixels(tab.map)
    tab.click("map")
    assert tab.pixels(tab.map) != before
    weights = images.weights("pixels", -1).values[2, 0]
    assert tab.hover(40, 13) == float(weights[40, 13])
    assert tab.fragment["lens"] == "map"


def test_every_word_has_its_weight(tab, pooling):
    tab.open(run=POOLING)
    weights = pooling.weights("pooling", -1).values[:, 0, 0]
    lines = tab.inside.locator(".sentences li")
    expect(lines).to_have_count(len(SENTENCES))
    for example, sentence in enumerate(SENTENCES):
        words = lines.nth(example).locator("[data-key]")
        assert words.all_inner_texts() == sentence  # no padding among them
        words.last.hover()
        expect(tab.readout).to_have_attribute("data-example", str(example))
        assert tab.said(0, len(sentence) - 1) == float(weights[example, len(sentence) - 1])
        total = float(tab.readout.get_attribute("data-sum"))
        assert total == pytest.approx(1, abs=2e-3)


def test_stronger_words_stand_out_more(tab, pooling):
    tab.open(run=POOLING)
    weights = pooling.weights("pooling", -1).values[3, 0, 0, : len(SENTENCES[3])]
    words = tab.inside.locator(".sentences li").nth(3).locator("[data-key]")
    shares = words.evaluate_all(
        "all => all.map(one => Number(getComputedStyle(one).backgroundColor.match(/[\\d.]+/g)[3]))"
    )
    assert np.argsort(shares).tolist() == np.argsort(weights).tolist()


def test_words_stand_in_the_order_their_script_is_read(tab):
    tab.open(run=POOLING)
    for example, sign in [(0, 1), (1, 1), (2, 1), (3, -1), (4, 1)]:
        words = tab.inside.locator(".sentences li").nth(example).locator("[data-key]")
        lefts = words.evaluate_all("all => all.map(one => one.getBoundingClientRect().x)")
        assert lefts == sorted(lefts, reverse=sign < 0)


def test_a_word_that_looks_like_markup_is_a_word(tab):
    tab.open(run=POOLING)
    tab.inside.locator("[data-key]", has_text=MARKUP).click()
    tab.ready()
    assert tab.fragment["example"] == "4"
    expect(tab.readout).to_contain_text(MARKUP)
    assert tab.inside.locator("img").count() == 0
