"""Each view as a person meets it: nothing beyond its edge, and a picture of it kept to look at."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from texts import IMAGES, POOLING, TEXT, WEIGHTS

VIEWS = {
    "attention": {"run": TEXT, "query": 5, "key": 2},
    "attention-dark": {"run": TEXT, "query": 5, "key": 2, "theme": "dark"},
    "attention-zh": {"run": TEXT, "example": 1, "language": "zh"},
    "attention-markup": {"run": TEXT, "example": 4, "query": 4, "key": 1},
    "image": {"run": IMAGES, "query": 27},
    "image-map": {"run": IMAGES, "lens": "map"},
    "pooling": {"run": POOLING, "query": 0, "key": 1},
    "weights": {"run": TEXT, "page": "parameters"},
    "weights-dark": {"run": WEIGHTS, "page": "parameters", "theme": "dark"},
    "weights-zh": {"run": WEIGHTS, "page": "parameters", "language": "zh"},
    "heads": {"run": TEXT, "page": "heads"},
    "heads-none": {"run": WEIGHTS, "page": "heads", "language": "zh"},
    "bias": {"run": TEXT, "page": "bias", "theme": "dark"},
    "no-attention": {"run": WEIGHTS},
    "gone": {"run": "no such run"},
}

#: What reaches beyond the window sideways, lists that scroll by themselves aside.
BEYOND = """
root => [...root.querySelectorAll("*")].filter(one => {
  const box = one.getBoundingClientRect();
  if (box.width === 0 || box.height === 0 || one.closest("svg")) return false;
  const inScroller = one.closest(".table, pre, ul, code");
  return !inScroller && (box.right > innerWidth + 1 || box.left < -1);
}).map(one => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`)
"""


@pytest.mark.parametrize("view", VIEWS)
def test_all_of_it_can_be_seen(tab, shoot, view):
    tab.open(**VIEWS[view])
    shoot(view)
    assert tab.root.evaluate(BEYOND) == []
    footer = tab.inside.locator("footer")
    if footer.count():
        footer.scroll_into_view_if_needed()
        expect(footer).to_be_in_viewport(ratio=0.99)
