"""Runs deleted, damaged and too new: said in the tab, with the way out."""

from __future__ import annotations

import json
import shutil

import pytest
from playwright.sync_api import expect
from texts import IMAGES, TEXT


@pytest.fixture(scope="module")
def troubled(board):
    """Copies of a good run: to be deleted, with a damaged newest step, and of a later limelight."""
    names = ("doomed", "damaged", "newer")
    for name in names:
        shutil.copytree(board.logdir / TEXT, board.logdir / name)
    data = board.logdir / "damaged/plugins/limelight/data.zarr/weights_0"
    shards = sorted(data.glob("c.*"), key=lambda path: int(path.name.split(".")[1]))
    shards[-1].write_bytes(shards[-1].read_bytes()[:-40] + bytes(40))
    meta = board.logdir / "newer/plugins/limelight/limelight.json"
    facts = json.loads(meta.read_text("utf-8"))
    meta.write_text(json.dumps(facts | {"schema": facts["schema"] + 9, "limelight": "99.0"}))
    board.lists(*names)
    yield board
    for name in names:
        shutil.rmtree(board.logdir / name, ignore_errors=True)
    board.lists(*names, there=False)


def shows(tab, run):
    """Whether another run can be chosen and is then painted."""
    tab.run(run).click()
    tab.ready()
    expect(tab.alert).to_have_count(0)
    return tab.colours(tab.map) > 10


def test_a_run_deleted_while_it_is_shown(tab, troubled):
    tab.open(run="doomed")
    assert tab.colours(tab.map) > 10
    shutil.rmtree(troubled.logdir / "doomed")
    tab.inside.get_by_text("The run “doomed” is no longer there").wait_for()
    tab.see("It was deleted, renamed or moved")
    expect(tab.run("doomed")).to_have_count(0)
    tab.ready().forgive("404")  # what was asked before the page heard of it
    assert shows(tab, IMAGES)


def test_a_damaged_step_is_named_and_the_others_are_shown(tab, troubled):
    tab.open(run="damaged")
    expect(tab.alert.first).to_contain_text("weights of step 30 cannot be read")
    tab.forgive("409")
    tab.press("[")
    expect(tab.alert).to_have_count(0)
    assert tab.colours(tab.map) > 10
    assert shows(tab, TEXT)


def test_a_run_of_a_later_limelight(tab, troubled):
    tab.open(run="newer")
    expect(tab.alert).to_contain_text("99.0")
    expect(tab.alert).to_contain_text("What to do")
    expect(tab.run("newer").locator(".mark")).to_be_visible()
    assert shows(tab, TEXT)


def test_a_run_that_never_was(tab):
    tab.open(run="no such <i>run</i>")
    tab.see("The run “no such <i>run</i>” is no longer there")
    assert shows(tab, TEXT)
