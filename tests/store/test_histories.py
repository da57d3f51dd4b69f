"""One recording holds one history; what comes and goes within it stays readable."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
from ondisk import described, lines
from recordings import parameters, record, site, two_sites

from limelight.answer import answer
from limelight.apps.listing import list_runs
from limelight.errors import LimelightWarning, NotRecordedError
from limelight.query import Query
from limelight.store import Writer, open_run
from limelight.store.format.files import sidecar

POOL = "pool"


def train(folder, steps, seed=0, **more):
    with Writer(folder, **more) as writer:
        for step in steps:
            record(writer, step, two_sites(seed + step), parameters=parameters(seed + step))


def holds(run, step, seed):
    wanted = two_sites(seed + step)[POOL]["weights"]
    np.testing.assert_allclose(run.weights(POOL, step), wanted, atol=2**-12)
    wanted = parameters(seed + step)["mean"]
    np.testing.assert_array_equal(run.parameters(step=step)["mean"][0], wanted)


class TestBegunAnew:
    @pytest.mark.parametrize(
        ("second", "left"),
        [((0, 10), []), ((10, 12), [0]), ((20, 30), [0, 10]), ((5, 6), [0]), ((20,), [0, 10])],
    )
    def test_the_earlier_history_is_set_aside_whole(self, tmp_path, second, left):
        folder = tmp_path / "logs" / "lstm"
        train(folder, (0, 10, 20))
        with pytest.warns(LimelightWarning, match=r"steps up to 20\..*lstm@1") as caught:
            train(folder, second, seed=100)
        assert len(caught) == 1
        run, before = open_run(folder), open_run(f"{folder}@1")
        assert run.steps.tolist() == [*left, *second]
        assert before.steps.tolist() == [0, 10, 20]
        assert (run.problems, before.problems) == ((), ())
        for step in left:
            holds(run, step, 0)
        for step in second:
            holds(run, step, 100)
        for step in (0, 10, 20):
            holds(before, step, 0)
        assert [listed["name"] for listed in list_runs(tmp_path / "logs")] == ["lstm", "lstm@1"]

    def test_each_history_gets_the_next_number(self, tmp_path):
        for seed in (0, 100, 200):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                train(tmp_path / "run", (0, 1), seed=seed)
        for name, seed in (("run@1", 0), ("run@2", 100), ("run", 200)):
            holds(open_run(tmp_path / name), 1, seed)
        names = {listed["name"] for listed in list_runs(tmp_path / "run")}
        assert names == {".", "@1", "@2"}
        with pytest.raises(NotRecordedError):
            open_run(tmp_path / "run@3")

    def test_a_later_step_appends_without_a_word(self, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train(tmp_path, (0, 10))
            train(tmp_path, (11, 20))
        assert open_run(tmp_path).steps.tolist() == [0, 10, 11, 20]

    def test_the_newest_state_recorded_again_goes_on(self, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train(tmp_path, (0, 10))
            train(tmp_path, (10, 20))
        run = open_run(tmp_path)
        assert run.steps.tolist() == [0, 10, 20]
        assert run.problems == ()
        holds(run, 10, 0)
        assert len(list_runs(tmp_path)) == 1

    def test_a_folder_that_looks_like_a_history_is_a_folder(self, tmp_path):
        train(tmp_path / "run@7", (0, 1))
        assert open_run(tmp_path / "run@7").steps.tolist() == [0, 1]


def short(seed):
    return site(seed, (2, 1, 1, 5), kind="pooling")


#: What a step records beside or in place of two sites and two parameters.
CHANGES = {
    "a length": lambda step: (two_sites(step) | {POOL: short(step)}, parameters(step)),
    "a site less": lambda step: ({POOL: two_sites(step)[POOL]}, parameters(step)),
    "a site more": lambda step: (two_sites(step) | {"new": short(step)}, parameters(step)),
    "a parameter less": lambda step: (two_sites(step), parameters(step).isel(parameter=[1])),
    "other words": lambda step: (_worded(step), parameters(step)),
    "more examples": lambda step: (
        {POOL: site(step, (5, 1, 1, 9), kind="pooling")}, parameters(step)
    ),
}  # fmt: skip


def _worded(step):
    made = two_sites(step)
    made[POOL]["key_token"] = (("example", "key"), np.full((2, 9), f"word {step}"))
    return made


class TestComeAndGo:
    @pytest.mark.parametrize("change", CHANGES)
    def test_within_one_recorder(self, tmp_path, change):
        plain = lambda step: (two_sites(step), parameters(step))  # noqa: E731
        steps = {0: plain, 1: CHANGES[change], 2: plain, 3: CHANGES[change], 4: plain}
        with warnings.catch_warnings(), Writer(tmp_path) as writer:
            warnings.simplefilter("error")
            for step, made in steps.items():
                sites, numbers = made(step)
                record(writer, step, sites, parameters=numbers)
        run = open_run(tmp_path)
        assert run.steps.tolist() == [0, 1, 2, 3, 4]
        assert run.problems == ()
        for step, made in steps.items():
            sites, numbers = made(step)
            assert set(run.sites_at(step)) == set(sites)
            for name, dataset in sites.items():
                np.testing.assert_allclose(
                    run.stored(name, step)["weights"], dataset["weights"], atol=1e-3
                )
                grid = answer(run, Query("grid", step=step))
                shown = [grid[f"cells_{at}"].attrs["site"] for at in range(len(sites))]
                assert shown == list(run.sites_at(step))
                asked = Query("map", site=name, head=0, example=0, step=step)
                assert answer(run, asked)["weights"].shape == dataset["weights"].shape[2:]
            names = numbers["parameter"].values.tolist()
            held = run.parameters(names, step)
            np.testing.assert_array_equal(held["mean"][0], numbers["mean"])
        measured = run.measures()["maximum"]
        assert measured.sizes["site"] == len(run.sites)
        for name in run.sites:
            known = measured.sel(site=name).notnull().any(["example", "head"])
            assert known.values.tolist() == [name in made(s)[0] for s, made in steps.items()]
            answer(run, Query("measures", site=name))
        # Words that differ each time are layouts of their own; all else there is twice, at most.
        assert len(described(tmp_path)["layouts"]) <= (3 if change == "other words" else 2)

    def test_a_site_that_a_step_lacks_says_which_have_it(self, tmp_path):
        with Writer(tmp_path) as writer:
            record(writer, 0, two_sites())
            record(writer, 5, {POOL: two_sites()[POOL]})
        run = open_run(tmp_path)
        gone = "encoder/attention"
        for ask in (
            lambda: run.weights(gone),
            lambda: answer(run, Query("map", site=gone, head=0, example=0)),
        ):
            with pytest.raises(NotRecordedError, match=r"at step 5 .*1 of its steps.*step 0"):
                ask()
        assert run.steps_of(gone).tolist() == [0]
        assert set(run.sites) == {gone, POOL}

    def test_form_of_storage_may_change(self, tmp_path):
        train(tmp_path, (0,))
        train(tmp_path, (1,), precision="compact")
        run = open_run(tmp_path)
        assert run.precision.name == "compact"
        np.testing.assert_allclose(run.weights(POOL, 0), two_sites()[POOL]["weights"], atol=2**-12)
        np.testing.assert_allclose(run.weights(POOL, 1), two_sites(1)[POOL]["weights"], atol=1e-2)

    def test_words_that_change_each_step_make_no_new_arrays(self, tmp_path):
        with Writer(tmp_path) as writer:
            for step in range(6):
                record(writer, step, _worded(step))
        run = open_run(tmp_path)
        for step in range(6):
            assert run.tokens(POOL, 0, step)["key"] == (f"word {step}",) * 9
        arrays = [path.name for path in (sidecar(tmp_path) / "data.zarr").iterdir()]
        assert sorted(arrays) == ["weights_0", "weights_1", "zarr.json"]

    def test_what_is_not_the_plain_softmax_is_said_and_kept_exactly(self, tmp_path):
        made = site(0, (1, 2, 4, 4), stage="after mixing heads", reading="or heads as queries")
        made["weights"][:] = np.linspace(-0.5, 1.5, 32).reshape(1, 2, 4, 4)
        with Writer(tmp_path, precision="compact") as writer:
            writer.append(0, tree=_tree(a=made))
        run = open_run(tmp_path)
        read = run.stored("a")
        assert (read.attrs["stage"], run.sites["a"].reading) == (
            "after mixing heads", "or heads as queries",
        )  # fmt: skip
        np.testing.assert_allclose(read["weights"], made["weights"], atol=2**-10)

    @pytest.mark.parametrize("dtype", ["uint8", "float32"])
    def test_images_keep_their_resolution_and_type(self, tmp_path, dtype):
        class Probe:
            examples, labels = 2, None
            images = np.arange(2 * 6 * 5 * 3).reshape(2, 6, 5, 3).astype(dtype)

            def tokens_of(self, example):
                return None

        with Writer(tmp_path) as writer:
            for step in range(3):
                record(writer, step, two_sites(step), probe=Probe())
        run = open_run(tmp_path)
        assert run.image(1).dtype == dtype
        np.testing.assert_array_equal(run.image(1), Probe.images[1])
        assert [line["images"] for line in lines(tmp_path)] == [0, 0, 0]

    def test_frozen_parameters_are_marked(self, tmp_path):
        numbers = parameters().assign_coords(trainable=("parameter", [True, False]))
        with Writer(tmp_path) as writer:
            writer.append(0, parameters=numbers)
        assert [p["trainable"] for p in open_run(tmp_path).parameter_facts] == [True, False]


def _tree(**sites):
    from recordings import tree_of

    return tree_of(**sites)


def test_what_nobody_can_read_is_moved_aside_and_listed(tmp_path):
    folder = tmp_path / "run"
    train(folder, (0, 1))
    meta = sidecar(folder) / "limelight.json"
    whole = meta.read_bytes()
    meta.write_text(json.dumps({"format": "limelight", "schema": 99}))
    with pytest.warns(LimelightWarning, match=r"run@1.*nothing is lost"):
        train(folder, (0,), seed=5)
    (tmp_path / "run/plugins/limelight.1/limelight.json").write_bytes(whole)
    holds(open_run(tmp_path / "run@1"), 1, 0)
    shutil.rmtree(sidecar(folder))
    with pytest.raises(NotRecordedError):
        open_run(folder)
