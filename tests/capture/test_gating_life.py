"""The life of gates, on trials that no framework makes."""

from __future__ import annotations

import pytest

from limelight.capture.gating.gates import read
from limelight.capture.gating.life import DryRun, Known, Life, Silenced, Trials, known
from limelight.capture.probe import Probe
from limelight.errors import GateError

HEADS = {"encoder": 2, "decoder": 4}


class Scripted(Trials):
    """Trials whose outcome is written down beforehand; notes which were asked for."""

    def __init__(self, heads=HEADS, whole=True, met=None, changed=True, depends=False, ran=True):
        self.heads, self.whole, self.ran = heads, whole, ran
        self.met, self.changed, self.dependent = met, changed, depends
        self.asked = []

    def aside(self, act):
        self.asked.append("aside")
        return act()

    def dry_run(self):
        self.asked.append("dry run")
        return DryRun(self.heads, self.whole) if self.ran else None

    def silenced(self, pieces):
        self.asked.append(sorted(pieces))
        assert all(piece.value == 0 for gates in pieces.values() for piece in gates)
        return Silenced(set(pieces) if self.met is None else self.met, self.changed)

    def depends(self, sites):
        self.asked.append("depends")
        return self.dependent

    def contributions(self, probe):
        self.asked.append(probe.examples)
        return {"encoder": "rows"}


def gates_of(*sites, **options):
    return read({(site, 0): 0.5 for site in sites}, **options)


def begun(trials, *sites, facts=None, **options):
    life = Life(gates_of(*sites, **options), Known() if facts is None else facts)
    life.begin(trials)
    return life


def test_the_first_call_discovers_and_proves_and_later_ones_do_neither():
    trials = Scripted()
    life = begun(trials, "encoder")
    assert trials.asked == ["aside", "dry run", ["encoder"]]
    assert life.ready
    life.begin(trials)
    assert len(trials.asked) == 3


def test_later_contexts_prove_only_what_was_not_proved():
    facts = Known()
    begun(Scripted(), "encoder", facts=facts)
    nothing, missing = Scripted(), Scripted()
    begun(nothing, "encoder", facts=facts)
    begun(missing, "encoder", "decoder", facts=facts)
    assert nothing.asked == []
    assert missing.asked == ["aside", "dry run", ["decoder"]]


def test_what_is_known_is_kept_by_model_and_by_the_way_it_runs():
    class Model:
        pass

    first, second = Model(), Model()
    assert known(first) is known(first)
    assert known(first) is not known(second)
    assert known(first, "flash") is not known(first)


def test_a_site_that_is_not_there_is_named_with_all_that_are():
    with pytest.raises(GateError, match=r"'encodr'.*encoder \(2\), decoder \(4\)"):
        begun(Scripted(), "encodr")


def test_a_call_of_a_part_proves_what_ran_and_leaves_the_rest_for_later():
    life = begun(Scripted({"encoder": 2}, whole=False), "encoder", "decoder")
    assert not life.ready
    rest = Scripted({"decoder": 4}, whole=False)
    life.begin(rest)
    assert life.ready
    assert rest.asked == ["aside", "dry run", ["decoder"]]


@pytest.mark.parametrize(
    ("outcome", "reached"),
    [
        ({"changed": True}, True),
        ({"changed": False, "depends": True}, True),
        ({"changed": False, "depends": False}, False),
        ({"met": set()}, False),
    ],
)
def test_silence_must_reach_the_output(outcome, reached):
    if reached:
        assert begun(Scripted(**outcome), "encoder").ready
        return
    facts = Known()
    with pytest.raises(GateError, match=r"Silencing heads of 'encoder' did not reach"):
        begun(Scripted(**outcome), "encoder", facts=facts)
    assert not facts.proved


def test_a_call_that_fails_by_itself_is_left_to_say_why():
    trials = Scripted(ran=False)
    life = begun(trials, "encoder", replace="mean", reference=[[1.0]])
    assert trials.asked == ["aside", "dry run"]
    assert not life.ready


def test_a_reference_is_run_once():
    trials = Scripted()
    life = begun(trials, "encoder", replace="mean", reference=Probe([[1.0], [2.0]]))
    life.begin(trials)
    assert trials.asked == ["aside", "dry run", ["encoder"], "aside", 2]
    assert life.reference == {"encoder": "rows"}


def test_a_reference_that_does_not_run_a_site_is_an_error():
    with pytest.raises(GateError, match="set for 'decoder', but none of their calls"):
        begun(Scripted(), "encoder", "decoder", replace="mean", reference=[[1.0]])


def test_a_gate_that_never_ran_is_an_error_at_the_end():
    life = begun(Scripted(), "encoder", "decoder")
    life.applied.add("encoder")
    with pytest.raises(GateError, match="set for 'decoder', but none"), life.lived():
        pass


def test_an_error_of_the_gates_is_not_followed_by_another_at_the_end():
    life = Life(gates_of("encoder"), Known())
    with life.lived(), pytest.raises(GateError, match="did not reach"):
        life.begin(Scripted(met=set()))


def test_other_gates_are_checked_and_have_to_be_applied_again():
    life = begun(Scripted(), "encoder")
    life.applied.add("encoder")
    life.turn_to(gates_of("decoder"))
    with pytest.raises(GateError, match="set for 'decoder'"):
        life.check_applied()
    with pytest.raises(GateError, match="no attention site"):
        life.turn_to(gates_of("encodr"))
