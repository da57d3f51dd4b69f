"""What is loaded when it is first shown: nothing waits longer than it must, nothing goes blank."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from texts import IMAGES


@pytest.fixture
def held(new_tab):
    """A tab, and what holds requests of an address until they are let go."""
    tab = new_tab()

    def hold(pattern):
        tab.page.route(pattern, lambda _route: None)

        def let_go():
            tab.page.unroute(pattern)  # lets go of all that is held
            tab.ready()

        return let_go

    return tab, hold


def test_a_lens_comes_while_its_answer_is_under_way(held):
    tab, hold = held
    let_go = hold("**/answer?*what=map*")
    address = f"{tab.address}/#limelight&p.limelight.run={IMAGES}&p.limelight.lens=map"
    with tab.page.expect_request("**/web/parts/map.js"):
        tab.page.goto(address, wait_until="domcontentloaded")
    expect(tab.map).to_have_count(0)
    let_go()
    expect(tab.map).to_be_visible()


def test_a_page_stays_until_all_of_the_next_is_there(held):
    tab, hold = held
    tab.open(run=IMAGES)
    let_go = hold("**/web/parts/ridges.js")
    with tab.page.expect_request("**/web/parts/ridges.js"):
        tab.button("Weights").click()
    expect(tab.map).to_be_visible()
    let_go()
    expect(tab.map).to_have_count(0)
    tab.see("values at step")
