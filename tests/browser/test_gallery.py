"""Every lens and panel draws golden answers as it did: pictures compared as pictures.

What there is to draw is told by the folders. ``LIMELIGHT_WRITE_PICTURES=1`` writes the pictures
that are missing; delete one to have it written anew. One that changed is left beside the old, as
``*-changed.png``, to be looked at.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from gallery import ROOT, build, plant, served
from PIL import Image

PICTURES = Path(__file__).parent / "golden"
VIEWS = ROOT / "web" / "src" / "views"
#: Lenses are drawn by the panel that looks through them.
LOOKING = "panels/chosen_head"
PARTS = sorted(
    path.relative_to(VIEWS).with_suffix("").as_posix()
    for room in ("lenses", "panels")
    for path in (VIEWS / room).glob("*.tsx")
)
PARTS.remove(LOOKING)

#: Squares of so many pixels are compared by their mean colour.
SQUARE = 8
#: How far off, of 255, squares may be in the mean, and which share of them by more than so much.
#: Where text stands, another machine's font and its smoothing are let pass; elsewhere hardly any.
#: Measured: serif letters instead of sans are off by 3.1 at most on text, and by 0.2 off it.
TEXT = {"mean": 9.0, "far": 60, "share": 0.03}
DRAWN = {"mean": 0.3, "far": 8, "share": 0.003}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, browser):
    """A page of the gallery, and its address."""
    folders = plant(tmp_path_factory.mktemp("planted"))
    built = build(tmp_path_factory.mktemp("gallery"))
    context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-US")
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    with served(built, folders) as address:
        yield page, address, complaints
    context.close()


def drawn(gallery, part, theme):
    """The picture of a part, as PNG, and where text stands in it."""
    page, address, complaints = gallery
    page.goto(f"{address}/?part={part}&theme={theme}&token=planted")
    page.locator('#limelight[data-ready="true"] .picture > *').first.wait_for()
    assert complaints == []
    picture = page.locator(".picture")
    boxes = picture.evaluate("picture => window.textBoxes(picture)")
    return picture.screenshot(animations="disabled", caret="hide"), boxes


def squares(picture):
    """The mean colour of each square of a picture, [row, column, channel]."""
    pixels = np.asarray(Image.open(picture).convert("RGB"), dtype=np.float64)
    rows, columns = (length // SQUARE for length in pixels.shape[:2])
    whole = pixels[: rows * SQUARE, : columns * SQUARE]
    return whole.reshape(rows, SQUARE, columns, SQUARE, 3).mean(axis=(1, 3))


def difference(old, new, boxes):
    """How far off squares are, [row, column], of 255, and which of them hold text."""
    before, after = squares(old), squares(new)
    if before.shape != after.shape:
        return np.full((1, 1), 255.0), np.zeros((1, 1), bool)
    off = np.abs(before - after).max(axis=-1)
    text = np.zeros(off.shape, bool)
    for left, top, right, bottom in np.asarray(boxes) / SQUARE:
        rows = slice(max(0, int(top)), max(0, int(np.ceil(bottom))))
        text[rows, max(0, int(left)) : max(0, int(np.ceil(right)))] = True
    return off, text


def too_far(off, mean, far, share):
    """Say how far off squares are if it is further than is let pass."""
    if not off.size or (off.mean() <= mean and (off > far).mean() <= share):
        return ""
    return (
        f"squares are off by {off.mean():.2f} of 255 in the mean (at most {mean}), "
        f"{100 * (off > far).mean():.1f} % of them by more than {far} (at most {100 * share} %)"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("part", PARTS)
def test_it_is_drawn_as_it_was(gallery, part, theme):
    name = f"{part.replace('/', '-')}-{theme}"
    old, changed = PICTURES / f"{name}.png", PICTURES / f"{name}-changed.png"
    picture, boxes = drawn(gallery, part, theme)
    if not old.exists() and os.environ.get("LIMELIGHT_WRITE_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        Image.open(io.BytesIO(picture)).quantize(256).save(old, optimize=True)
    assert old.exists(), f"{name} has no picture yet; LIMELIGHT_WRITE_PICTURES=1 writes it"
    off, text = difference(old, io.BytesIO(picture), boxes)
    lines = [too_far(off[~text], **DRAWN), too_far(off[text], **TEXT)]
    problems = [
        f"{where}: {line}" for where, line in zip(("Drawing", "Text"), lines, strict=True) if line
    ]
    if problems:
        changed.write_bytes(picture)
        pytest.fail(
            f"{name} is drawn otherwise. {' '.join(problems)}. Compare {changed} with {old.name}; "
            "if it is right, delete the old one and have it written anew."
        )
    changed.unlink(missing_ok=True)


@pytest.mark.parametrize("part", PARTS)
def test_it_looks_the_same_whatever_was_loaded_before(gallery, part):
    page, _, _ = gallery
    drawn(gallery, part, "light")
    picture = page.locator(".picture")
    alone = picture.evaluate("picture => window.computedStyles(picture)")
    page.evaluate("() => window.loadAll()")
    page.locator('#limelight[data-ready="true"]').wait_for()
    beside = picture.evaluate("picture => window.computedStyles(picture)")
    changed = [pair for pair in zip(alone, beside, strict=True) if pair[0] != pair[1]]
    assert changed == [], f"{part} needs a style that comes with another part"


def test_the_page_knows_the_same_parts(gallery):
    page, address, _ = gallery
    page.goto(address)
    listed = page.locator("#limelight").get_attribute("data-parts")
    assert sorted(json.loads(listed)) == PARTS


def test_no_picture_is_left_of_what_is_gone():
    pictured = {path.stem for path in PICTURES.glob("*.png") if not path.stem.endswith("-changed")}
    assert pictured == {
        f"{part.replace('/', '-')}-{theme}" for part in PARTS for theme in ("light", "dark")
    }
