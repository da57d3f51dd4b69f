"""A run that goes on while it is looked at."""

from __future__ import annotations

from playwright.sync_api import expect
from texts import LIVE

import limelight as ll


def test_new_steps_come_by_themselves_until_the_slider_is_moved(tab, board, trainer):
    steps = ll.open_run(board.logdir / LIVE).steps.tolist()
    tab.open(run=LIVE, query=2, key=0).at_step(steps[-1])
    tab.root.evaluate("() => { window.stillHere = true }")
    for _ in range(2):
        newest = trainer.step()
        tab.at_step(newest)
        weights = ll.open_run(board.logdir / LIVE).weights("layer_0", newest).values
        assert tab.said(2, 0) == float(weights[0, 0, 2, 0])
    assert "step" not in tab.fragment

    tab.slider.fill("0")
    tab.at_step(steps[0])
    assert tab.fragment["follow"] == "false"
    newest = trainer.step()
    expect(tab.inside.locator("h3 .of")).to_have_text(f"{steps[0]} of {newest}")
    tab.at_step(steps[0])

    tab.button("follow").click()
    tab.at_step(newest)
    assert tab.root.evaluate("() => window.stillHere")


def test_a_run_that_trains_is_shown_as_live(tab, trainer):
    trainer.step()
    tab.open(run=LIVE)
    expect(tab.inside.locator("header .live")).to_contain_text("live")
    expect(tab.run(LIVE).locator(".dot.on")).to_be_visible()
