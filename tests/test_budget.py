"""What is kept of all recordings together stays within one budget."""

from __future__ import annotations

import gc

from limelight.budget import Budget


class Run:
    """Something that owns values."""


def test_what_was_used_longest_ago_goes_first_whoever_owns_it():
    budget, first, second = Budget(100), Run(), Run()
    mine, other = budget.owner(first), budget.owner(second)
    budget.put(mine, "a", "A", 40)
    budget.put(other, "a", "B", 40)
    assert budget.get(mine, "a") == "A"
    budget.put(other, "c", "C", 40)
    assert (budget.get(mine, "a"), budget.get(other, "a"), budget.get(other, "c")) == (
        "A",
        None,
        "C",
    )
    assert budget.size == 80


def test_a_value_that_is_put_again_counts_once_and_one_too_large_not_at_all():
    budget, run = Budget(100), Run()
    owner = budget.owner(run)
    for _ in range(3):
        budget.put(owner, "a", "A", 60)
    assert budget.size == 60
    budget.put(owner, "b", "B", 101)
    assert (budget.get(owner, "a"), budget.get(owner, "b")) == ("A", None)


def test_what_belongs_to_something_that_is_gone_goes_too():
    budget, run = Budget(100), Run()
    budget.put(budget.owner(run), "a", "A", 60)
    assert budget.size == 60
    del run
    gc.collect()
    assert budget.size == 0
