"""The plugin inside TensorBoard's own WSGI application, over runs the real writer wrote."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import get_type_hints
from urllib.parse import urlencode

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
import planted  # the planted runs lie beside the golden answers made from them

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorBoard's own parts complain of each other when loaded
    from tensorboard.backend import application
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.plugins import base_plugin
from werkzeug.test import Client

from limelight import facts
from limelight.apps import desk, front
from limelight.apps import tensorboard as plugin_module
from limelight.apps.tensorboard import LimelightPlugin
from limelight.budget import Budget
from limelight.errors import LimelightWarning, StoreError
from limelight.store.format.checked import signed
from limelight.wire import decode

ODD_NAMES = ["a/train", "日本語 モデル", "b&c=d#e", "<img src=x onerror=alert(1)>", "50%25 'off'"]
ROUTES = "/data/plugin/limelight"


class Tab:
    """TensorBoard with the plugin on one log directory."""

    def __init__(self, logdir=None, spec=None, prefix=""):
        multiplexer = plugin_event_multiplexer.EventMultiplexer()
        self.multiplexer, self.prefix, self.logdir = multiplexer, prefix, logdir
        for name, path in (spec or {None: logdir}).items():
            multiplexer.AddRunsFromDirectory(str(path), name)
        multiplexer.Reload()
        provider = data_provider.MultiplexerDataProvider(multiplexer, str(logdir or ""))
        written = ",".join(f"{name}:{path}" for name, path in (spec or {}).items())
        self.plugin = LimelightPlugin(
            base_plugin.TBContext(
                data_provider=provider,
                logdir=str(logdir or ""),
                multiplexer=multiplexer,
                flags=types.SimpleNamespace(logdir_spec=written),
            )
        )
        app = application.TensorBoardWSGI([self.plugin], prefix, provider)
        self.client = Client(app)

    def reload(self):
        self.multiplexer.AddRunsFromDirectory(str(self.logdir))
        self.multiplexer.Reload()

    def get(self, route, **query):
        url = f"{self.prefix}{ROUTES}{route}"
        return self.client.get(f"{url}?{urlencode(query, doseq=True)}" if query else url)

    def answer(self, **query):
        response = self.get("/answer", **query)
        assert response.status_code == 200, response.get_data(as_text=True)
        assert response.content_type == "application/octet-stream"
        return decode(response.get_data())

    def refused(self, status, route="/answer", **query):
        response = self.get(route, **query)
        assert response.status_code == status
        assert response.content_type == "application/json"
        error = response.get_json()["error"]
        assert set(error) == {"code", "came", "wanted", "fix"}
        assert "Traceback" not in str(error)
        return error

    def catalogue(self):
        response = self.get("/catalogue")
        assert response.status_code == 200
        return response.get_json()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A log directory with runs of every odd name; copied before a test changes it."""
    logdir = tmp_path_factory.mktemp("logs")
    for at, name in enumerate(ODD_NAMES):
        planted.write(logdir / name, planted.words, steps=planted.STEPS[: 1 + at % 3])
    return logdir


@pytest.fixture(scope="module")
def tab(recorded):
    return Tab(recorded)


@pytest.fixture
def logs(recorded, tmp_path):
    """One run of our own to break."""
    shutil.copytree(recorded / "b&c=d#e", tmp_path / "logs" / "run")
    return tmp_path / "logs"


class TestCatalogue:
    def test_every_run_is_listed_by_the_name_tensorboard_gives_it(self, tab):
        runs = {run["name"]: run for run in tab.catalogue()["runs"]}
        assert set(runs) == set(ODD_NAMES)
        card = runs["b&c=d#e"]
        assert (card["steps"], card["first_step"], card["last_step"]) == (3, 0, 250)
        assert (card["attention"], card["parameters"], card["problem"]) == (True, True, None)

    def test_newest_written_comes_first(self, recorded, tmp_path):
        logdir = tmp_path / "logs"
        shutil.copytree(recorded, logdir)
        for at, name in enumerate(["b&c=d#e", "日本語 モデル", "a/train"]):
            for file in (logdir / name / "plugins" / "limelight").glob("*.json*"):
                os.utime(file, (2e9 + at, 2e9 + at))
        runs = Tab(logdir).catalogue()["runs"]
        assert [run["name"] for run in runs][:3] == ["a/train", "日本語 モデル", "b&c=d#e"]
        assert runs[0]["written"] == pytest.approx(2e9 + 2)

    def test_names_cross_as_json_and_never_as_markup(self, tab):
        response = tab.get("/catalogue")
        assert response.content_type == "application/json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"

    def test_it_says_versions_and_analyses(self, tab):
        from limelight import __version__, schema

        catalogue = tab.catalogue()
        assert catalogue["version"] == __version__
        assert catalogue["schema"] == schema.SCHEMA_VERSION
        cards = {card["name"]: card for card in catalogue["analyses"]}
        assert cards["entropy"]["units"] == "nat"
        assert set(cards["first_key_share"]) == set(get_type_hints(facts.Analysis))
        assert cards["gini"]["zh"]["title"] == "基尼系数"

    def test_a_run_of_other_plugins_only_is_not_ours(self, logs):
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        EventFileWriter(str(logs / "plain")).close()
        tab = Tab(logs)
        assert [run["name"] for run in tab.catalogue()["runs"]] == ["run"]
        assert tab.refused(404, what="run", run="plain")["code"] == "not-recorded"

    def test_it_reads_no_shard(self, logs):
        for shard in (logs / "run" / "plugins" / "limelight" / "data.zarr").rglob("c.*"):
            shard.write_bytes(b"broken")
        (run,) = Tab(logs).catalogue()["runs"]
        assert (run["steps"], run["problem"]) == (3, None)

    def test_an_unchanged_run_is_opened_once(self, logs, monkeypatch):
        from limelight.apps import runs

        opened = []

        class Counted(runs.Run):
            def __init__(self, path, **more):
                opened.append(path)
                super().__init__(path, **more)

        monkeypatch.setattr(runs, "Run", Counted)
        tab = Tab(logs)
        for _ in range(3):
            tab.catalogue()
            tab.answer(what="run", run="run")
        assert len(opened) == 1

    def test_earlier_histories_are_listed_beside_their_run(self, logs):
        """Trained anew twice into one folder: all three trainings can be looked at."""
        with pytest.warns(LimelightWarning, match="set aside"):
            planted.write(logs / "run", planted.words, steps=planted.STEPS[:2])
        with pytest.warns(LimelightWarning, match="set aside"):
            planted.write(logs / "run", planted.words, steps=planted.STEPS[:1])
        tab = Tab(logs)
        cards = {card["name"]: card for card in tab.catalogue()["runs"]}
        assert {name: card["steps"] for name, card in cards.items()} == {
            "run": 1, "run@1": 3, "run@2": 2,
        }  # fmt: skip
        assert [name for name, card in cards.items() if not card["set_aside"]] == ["run"]
        assert len({card["order"] for card in cards.values()}) == 1  # one colour
        for name, card in cards.items():
            answered = tab.answer(what="run", run=name)
            assert answered.attrs["run"] == name
            assert answered.sizes["step"] == card["steps"]
        for name in ("run@3", "run@0", "run@01", "other@1", "run@1@1", "@1", "run@", "../run@1"):
            assert tab.refused(404, what="run", run=name)["code"] == "not-recorded"

    def test_a_run_may_be_named_like_a_history(self, logs):
        shutil.copytree(logs / "run", logs / "run@1")
        tab = Tab(logs)
        cards = {card["name"]: card["set_aside"] for card in tab.catalogue()["runs"]}
        assert cards == {"run": False, "run@1": False}
        assert tab.answer(what="run", run="run@1").sizes["step"] == 3

    def test_a_recording_set_aside_that_leads_elsewhere_is_not_listed(self, logs, tmp_path):
        shutil.copytree(logs / "run" / "plugins" / "limelight", tmp_path / "elsewhere")
        link = logs / "run" / "plugins" / "limelight.1"
        link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        tab = Tab(logs)
        assert [card["name"] for card in tab.catalogue()["runs"]] == ["run"]
        assert tab.refused(404, what="run", run="run@1")["code"] == "not-recorded"


class TestAnswer:
    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_any_name_can_be_asked_for(self, tab, name):
        assert tab.answer(what="run", run=name).attrs["run"] == name

    def test_a_map_is_the_map_that_was_written(self, tab):
        where = {"run": "b&c=d#e", "site": "encoder/attention", "head": 1, "example": 1}
        shown = tab.answer(what="map", step=100, **where)
        written = planted.words(100)["encoder/attention"].dataset
        np.testing.assert_array_equal(
            shown["weights"].values, written["weights"].sel(example=1, head=1).values
        )
        assert shown.attrs["key_token"] == planted.TOKENS[1]

    @pytest.mark.parametrize(
        ("query", "status", "code"),
        [
            ({}, 400, "query"),
            ({"what": "everything"}, 400, "query"),
            ({"what": "run", "file": "/etc/passwd"}, 400, "query"),
            ({"what": "grid", "step": "x"}, 400, "query"),
            ({"what": "grid", "step": 7}, 404, "not-recorded"),
            ({"what": "grid", "step": 10**400}, 404, "not-recorded"),
            ({"what": "grid", "step": -4}, 404, "not-recorded"),
            ({"what": "grid", "example": 99}, 404, "not-recorded"),
            ({"what": "map", "site": "pool", "head": 5}, 404, "not-recorded"),
            ({"what": "map", "site": "../pool", "head": 0}, 404, "not-recorded"),
            ({"what": "map", "site": "pool", "head": -1}, 404, "not-recorded"),
            ({"what": "measures", "site": "<b>"}, 404, "not-recorded"),
            ({"what": "parameters", "parameter": "no/such"}, 404, "not-recorded"),
        ],
    )
    def test_a_wrong_question_is_told_what_is_wrong(self, tab, query, status, code):
        assert tab.refused(status, run="b&c=d#e", **query)["code"] == code

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "..",
            "../..",
            "/etc",
            "a/train/../../..",
            "a",
            "b&c=d#e/plugins",
            "b&c=d#e\0",
            "x" * 9999,
        ],
    )
    def test_only_listed_runs_can_be_asked_for(self, tab, name):
        error = tab.refused(404, what="run", run=name)
        assert error["wanted"].startswith("Wanted one that TensorBoard lists")

    def test_a_listed_name_that_leads_out_is_refused(self, logs, tmp_path, monkeypatch):
        shutil.move(logs / "run", tmp_path / "outside")
        (logs / "run").symlink_to(tmp_path / "outside")
        tab = Tab(logs)
        assert tab.catalogue()["runs"] == []
        assert tab.refused(404, what="run", run="run")["code"] == "not-recorded"

    def test_a_recording_that_is_a_link_out_is_refused(self, logs, tmp_path):
        sidecar = logs / "run" / "plugins" / "limelight"
        shutil.move(sidecar, tmp_path / "stolen")
        sidecar.symlink_to(tmp_path / "stolen")
        tab = Tab(logs)
        assert tab.catalogue()["runs"] == []
        tab.refused(404, what="run", run="run")

    def test_a_provider_that_lists_a_path_does_not_open_it(self, logs, tmp_path, monkeypatch):
        shutil.copytree(logs / "run", tmp_path / "secret")
        tab = Tab(logs)
        listed = [
            types.SimpleNamespace(run_name=name) for name in ("../secret", str(tmp_path / "secret"))
        ]
        provider = tab.plugin._context.data_provider
        monkeypatch.setattr(provider, "list_runs", lambda *_, **__: listed)
        assert tab.catalogue()["runs"] == []
        for run in listed:
            tab.refused(404, what="run", run=run.run_name)

    def test_an_answer_too_large_is_refused_before_it_is_read(self, tab, monkeypatch):
        monkeypatch.setattr(desk, "MOST_BYTES", 100)
        monkeypatch.setattr(desk, "answer", lambda run, query: pytest.fail("was read"))
        error = tab.refused(400, what="map", run="b&c=d#e", site="encoder/attention", head=0)
        assert error["came"].startswith("Got a question whose answer takes")


class TestMethods:
    @pytest.mark.parametrize("route", ["/catalogue", "/answer", "/web/index.js"])
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_nothing_but_reading(self, tab, route, method):
        response = tab.client.open(ROUTES + route, method=method, json={"what": "run"})
        assert response.status_code == 405
        assert response.headers["Allow"] == "GET, HEAD"
        assert response.get_json()["error"]["came"] == f"Got a {method} request."

    def test_head_has_headers_and_no_body(self, tab):
        response = tab.client.head(
            f"{ROUTES}/answer?{urlencode({'what': 'run', 'run': 'a/train'})}"
        )
        assert response.status_code == 200
        assert int(response.headers["Content-Length"]) > 100
        assert response.get_data() == b""


class TestStatic:
    @pytest.fixture
    def built(self, tab, monkeypatch):
        files = {"index.js": b"export function render() {}", "worker.js": b"1", "a.css": b"p{}"}
        monkeypatch.setattr(tab.plugin, "_static", files)

    @pytest.mark.parametrize(
        ("name", "kind"), [("index.js", "text/javascript"), ("a.css", "text/css")]
    )
    def test_the_built_files_are_served(self, tab, built, name, kind):
        response = tab.get(f"/web/{name}")
        assert response.status_code == 200
        assert response.mimetype == kind
        assert response.headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        "name",
        [
            "../../../../../etc/passwd",
            "..%2f..%2f..%2fetc/passwd",
            "%2e%2e/tensorboard.py",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "index.js/../../tensorboard.py",
            "",
            ".",
            "index.js%00",
        ],
    )
    def test_nothing_else_is(self, tab, built, name):
        response = tab.client.get(f"{ROUTES}/web/{name}")
        assert response.status_code == 404
        assert b"root:" not in response.get_data()

    def test_an_unbuilt_front_end_says_so(self, tmp_path):
        files = front.static_files(tmp_path / "nothing")
        assert list(files) == ["index.js"]
        assert b"export function render()" in files["index.js"]
        assert b"screens are missing" in files["index.js"]

    def test_files_in_folders_are_found_and_dotfiles_are_not(self, tmp_path):
        (tmp_path / "assets").mkdir()
        (tmp_path / "index.js").write_bytes(b"1")
        (tmp_path / "assets" / "worker.js").write_bytes(b"2")
        (tmp_path / ".digest").write_bytes(b"3")
        assert front.static_files(tmp_path) == {"index.js": b"1", "assets/worker.js": b"2"}


class TestInsideTensorBoard:
    def test_the_pointer_makes_the_tab_show_and_no_scan_does(self, tab):
        listed = tab.client.get("/data/plugins_listing").get_json()["limelight"]
        assert listed["enabled"] is True
        assert listed["tab_name"] == "Limelight"
        assert listed["loading_mechanism"]["module_path"].endswith("/limelight/web/index.js")
        assert tab.plugin.is_active() is False

    def test_the_entry_page_imports_the_module(self, tab):
        page = tab.client.get("/data/plugin_entry.html?name=limelight").get_data(as_text=True)
        assert 'base href="plugin/limelight/"' in page
        assert "web/index.js" in page

    def test_a_path_prefix_moves_every_route(self, recorded):
        tab = Tab(recorded, prefix="/my/prefix")
        assert len(tab.catalogue()["runs"]) == len(ODD_NAMES)
        assert tab.answer(what="run", run="a/train").attrs["run"] == "a/train"
        assert tab.get("/web/index.js").status_code == 200

    def test_logdir_spec_finds_runs_by_tensorboards_own_map(self, recorded, logs):
        tab = Tab(spec={"x": logs, "y": recorded / "a"})
        assert {run["name"] for run in tab.catalogue()["runs"]} == {"x/run", "y/train"}
        assert tab.answer(what="run", run="x/run").sizes["step"] == 3
        assert tab.answer(what="run", run="y/train").sizes["step"] == 1

    def test_logdir_spec_refuses_links_out_as_well(self, logs, tmp_path):
        shutil.move(logs / "run", tmp_path / "outside")
        (logs / "run").symlink_to(tmp_path / "outside")
        tab = Tab(spec={"x": logs})
        assert tab.catalogue()["runs"] == []

    def test_without_a_multiplexer_the_log_directory_is_enough(self, recorded):
        tab = Tab(recorded)
        tab.plugin._context.multiplexer = None  # as with TensorBoard's default data server
        assert tab.answer(what="run", run="日本語 モデル").attrs["run"] == "日本語 モデル"


class TestAlive:
    def test_a_new_step_shows_without_a_restart(self, recorded, tmp_path):
        with planted.writer(tmp_path / "logs" / "run", planted.words) as write:
            write(0)
            tab = Tab(tmp_path / "logs")
            assert tab.answer(what="run", run="run")["step"].values.tolist() == [0]
            write(100)
            assert tab.answer(what="run", run="run")["step"].values.tolist() == [0, 100]
            assert tab.catalogue()["runs"][0]["last_step"] == 100
            assert tab.answer(what="grid", run="run").attrs["step"] == 100

    def test_a_run_deleted_while_shown_says_so(self, logs):
        tab = Tab(logs)
        tab.answer(what="run", run="run")
        shutil.rmtree(logs / "run")
        error = tab.refused(404, what="grid", run="run")
        assert error == {
            "code": "not-recorded",
            "came": "Run 'run' has no limelight recording on disk.",
            "wanted": "Wanted one that is still there.",
            "fix": "If it was deleted, choose another run; if not, record it with limelight.",
        }
        assert tab.catalogue()["runs"] == []

    def test_a_run_deleted_in_mid_answer_says_so(self, logs, monkeypatch):
        tab = Tab(logs)

        def vanish(run, query):
            shutil.rmtree(logs / "run")
            raise StoreError("A shard is gone.", "Wanted it.", "Check the disk.")

        monkeypatch.setattr(desk, "answer", vanish)
        assert tab.refused(404, what="grid", run="run")["code"] == "not-recorded"

    def test_a_newer_store_says_to_upgrade_and_hides_no_other_run(self, recorded, tmp_path):
        logdir = tmp_path / "logs"
        shutil.copytree(recorded, logdir)
        path = logdir / "a" / "train" / "plugins" / "limelight" / "limelight.json"
        facts = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps({**facts, "schema": 999}), "utf-8")
        tab = Tab(logdir)
        runs = {run["name"]: run for run in tab.catalogue()["runs"]}
        assert runs["a/train"]["problem"]["code"] == "store"
        assert "pip install" in runs["a/train"]["problem"]["fix"]
        assert runs["b&c=d#e"]["problem"] is None
        assert tab.refused(409, what="run", run="a/train") == runs["a/train"]["problem"]

    def test_a_damaged_shard_is_told_with_the_stores_own_words(self, logs):
        shards = list((logs / "run" / "plugins" / "limelight" / "data.zarr").rglob("c.*"))
        assert shards
        for shard in shards:
            shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
        tab = Tab(logs)
        assert tab.answer(what="run", run="run").sizes["step"] == 3
        error = tab.refused(409, what="map", run="run", site="encoder/attention", head=0)
        assert error["code"] == "store"
        assert str(logs) not in error["came"] or "limelight" in error["came"]

    def test_an_unforeseen_failure_shows_no_trace(self, logs, monkeypatch, caplog):
        monkeypatch.setattr(desk, "answer", lambda run, query: 1 / 0)
        error = Tab(logs).refused(500, what="run", run="run")
        assert "division" not in str(error)
        assert "ZeroDivisionError" in caplog.text


def a_line(change):
    """Return what puts one line into an index, whole and signed, that says something absurd."""

    def act(folder):
        described = json.loads((folder / "limelight.json").read_text("utf-8"))
        index = folder / "index.jsonl"
        facts = json.loads(index.read_text().splitlines()[-1])
        facts.pop("crc")
        index.write_bytes(
            index.read_bytes() + signed(json.dumps({**facts, **change}), described["run"]) + b"\n"
        )

    return act


def in_its_place(name, make):
    """Return what puts something else in the place of a file."""

    def act(folder):
        path = folder / name
        path.unlink()
        make(path)

    return act


def unreadable(folder):
    """Make opening the run fail in a way that nobody foresaw, by its very name."""
    (folder / "limelight.json").write_text('{"schema": ' + "[" * 100_000)


BAD = {
    "a step of 2^63": a_line({"step": 2**63}),
    "a time of 400 digits": a_line({"time": 10**400}),
    "a row of 2^63": a_line({"row": 2**63}),
    "a folder for an index": in_its_place("index.jsonl", Path.mkdir),
    "a loop for an index": in_its_place("index.jsonl", lambda path: path.symlink_to(path)),
    "a pipe for an index": in_its_place("index.jsonl", os.mkfifo),
    "a device for an index": in_its_place("index.jsonl", lambda p: p.symlink_to("/dev/zero")),
    "a folder for a description": in_its_place("limelight.json", Path.mkdir),
    "a loop for a description": in_its_place("limelight.json", lambda p: p.symlink_to(p)),
    "a pipe for a description": in_its_place("limelight.json", os.mkfifo),
    "a link into nothing": in_its_place("limelight.json", lambda p: p.symlink_to(p / "no")),
    "depth": unreadable,
}


class TestOneBadRun:
    @pytest.mark.parametrize("what", BAD)
    def test_the_others_answer(self, logs, what):
        shutil.copytree(logs / "run", logs / "bad")
        BAD[what](logs / "bad" / "plugins" / "limelight")
        tab = Tab(logs)
        cards = {card["name"]: card for card in tab.catalogue()["runs"]}
        assert set(cards) == {"run", "bad"}
        assert (cards["run"]["steps"], cards["run"]["problem"]) == (3, None)
        assert tab.answer(what="run", run="run").sizes["step"] == 3
        response = tab.get("/answer", what="run", run="bad")
        if response.status_code == 200:  # the rest of it is readable, and says what is not
            assert decode(response.get_data()).attrs["problems"]
        else:
            assert response.status_code == 409
            assert response.get_json()["error"] == cards["bad"]["problem"]

    def test_what_nobody_foresaw_is_the_problem_of_its_run(self, logs, monkeypatch):
        from limelight.apps import runs

        shutil.copytree(logs / "run", logs / "bad")

        class Odd(runs.Run):
            @property
            def sites(self):
                if self.path.name == "bad":
                    raise MemoryError("of all things")
                return super().sites

        monkeypatch.setattr(runs, "Run", Odd)
        tab = Tab(logs)
        cards = {card["name"]: card for card in tab.catalogue()["runs"]}
        assert cards["run"]["problem"] is None
        assert "MemoryError" in cards["bad"]["problem"]["came"]
        tab.refused(409, what="run", run="bad")

    @pytest.mark.parametrize("name", ["limelight.json", "index.jsonl", "rows", "data.zarr"])
    def test_a_link_in_it_that_leads_out_of_the_log_folder_is_not_served(
        self, logs, tmp_path, name
    ):
        path = logs / "run" / "plugins" / "limelight" / name
        shutil.move(path, tmp_path / "secret")
        path.symlink_to(tmp_path / "secret")
        tab = Tab(logs)
        (card,) = tab.catalogue()["runs"]
        answers = [tab.get("/answer", run="run", **query) for query in (
            {"what": "grid"}, {"what": "map", "site": "encoder/attention", "head": 0},
            {"what": "parameters", "parameter": "dense/kernel"}, {"what": "summary"})]  # fmt: skip
        assert {answer.status_code for answer in answers} <= {200, 404, 409}
        assert card["problem"] or any(answer.status_code != 200 for answer in answers)

    def test_a_link_to_another_folder_of_the_log_directory_is_served(self, logs):
        path = logs / "run" / "plugins" / "limelight" / "data.zarr"
        shutil.move(path, logs / "maps")
        path.symlink_to(logs / "maps")
        tab = Tab(logs)
        assert tab.answer(what="map", run="run", site="encoder/attention", head=0)["weights"].size


class TestManyRuns:
    def test_cards_of_all_are_kept_and_what_is_open_has_one_budget(self, logs, monkeypatch):
        from limelight.apps import runs

        opened = []

        class Counted(runs.Run):
            def __init__(self, path, **more):
                opened.append(path)
                super().__init__(path, **more)

        monkeypatch.setattr(runs, "Run", Counted)
        small = Budget(60_000)  # room for one or two
        monkeypatch.setattr(runs, "BUDGET", small)
        folders = {}
        for number in range(12):
            shutil.copytree(logs / "run", logs / "copies" / str(number))
            folders[str(number)] = str(logs / "copies" / str(number))
        many = runs.Runs()
        for _ in range(3):
            assert len(many.catalogue(folders)["runs"]) == 12
        assert len(opened) == 12
        assert 0 < small.size <= 60_000
        assert many.open("0", folders["0"]).steps.size == 3
        many.catalogue({"0": folders["0"]})
        assert list(many._known) == [folders["0"]]


class TestCompression:
    def ask(self, tab, encoding, **query):
        headers = {"Accept-Encoding": encoding}
        url = f"{ROUTES}/answer?{urlencode(query, doseq=True)}"
        return tab.client.get(url, headers=headers)

    def test_where_the_browser_asks_and_it_is_worth_it(self, tab, monkeypatch):
        monkeypatch.setattr(front, "_TINY", 100)
        query = {"what": "run", "run": "b&c=d#e"}
        plain, packed = (self.ask(tab, asked, **query) for asked in ("identity", "br, gzip"))
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["Vary"] == "Accept-Encoding"
        assert gzip.decompress(packed.get_data()) == plain.get_data()
        assert len(packed.get_data()) < len(plain.get_data()) / 2
        assert "Content-Encoding" not in self.ask(tab, "gzip;q=0", **query).headers

    def test_not_what_is_small_or_noise(self, tab):
        noise = np.random.default_rng(0).bytes(1 << 20)
        assert front.compressed(noise) == (noise, None)
        assert front.compressed(b"0" * 100) == (b"0" * 100, None)
        assert front.compressed(b"0" * 10_000)[1] == "gzip"


def test_a_client_that_has_gone_is_noticed():
    ours, theirs = socket.socketpair()
    assert plugin_module._is_there(ours)
    theirs.send(b"GET /")
    assert plugin_module._is_there(ours)
    ours.recv(5)
    theirs.close()
    assert not plugin_module._is_there(ours)
    ours.close()
    assert not plugin_module._is_there(ours)
    assert plugin_module._is_there(None)


BROKEN = {
    "errors.py": None,
    "facts.py": None,
    "rooms.py": "import sys; sys.exit(1)",
    "budget.py": "raise RuntimeError('half a download')",
    "apps/desk.py": None,
    "apps/runs.py": "def",
    "apps/answer_pool.py": "raise OSError(5, 'Input/output error')",
    "store/__init__.py": "raise ValueError('bad')",
    "store/format/guarded.py": None,
    "analyses/entropy.py": "raise KeyError('x')",
    "wire.py": "import no_such_module",
}


def test_any_part_of_ours_may_be_broken(root, tmp_path):
    """TensorBoard starts, the tab's page is served, and says what cannot be loaded."""
    script = """
import json, pathlib, sys, warnings
warnings.simplefilter("ignore")
package, broken = pathlib.Path(sys.argv[1]) / "limelight", json.loads(sys.argv[2])
sys.path.insert(0, sys.argv[1])
from tensorboard.plugins import base_plugin
from werkzeug.test import Client
from tensorboard.backend import application
class Provider:
    def list_runs(self, *_, **__): return []
    def list_plugins(self, *_, **__): return []
for name, text in broken.items():
    path = package / name
    before = path.read_bytes()
    path.unlink() if text is None else path.write_text(text)
    for module in [module for module in sys.modules if module.partition(".")[0] == "limelight"]:
        del sys.modules[module]
    from limelight.apps.tensorboard import LimelightPlugin
    context = base_plugin.TBContext(logdir="/nowhere", data_provider=Provider())
    client = Client(application.TensorBoardWSGI([LimelightPlugin(context)], "", Provider()))
    replies = [client.get("/data/plugin/limelight/" + route)
               for route in ("web/index.js", "catalogue", "answer?what=run&run=a", "catalogue")]
    path.write_bytes(before)
    print(json.dumps([name, replies[0].status_code] + [
        [reply.status_code, reply.get_json().get("error")] for reply in replies[1:]]))
"""
    shutil.copytree(root / "src" / "limelight", tmp_path / "limelight",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), json.dumps(BROKEN)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == list(BROKEN)
    for name, page, *replies in lines:
        assert page == 200, name
        for status, error in replies:
            assert status in (404, 500), name
            assert error["came"], name
        status, error = replies[0]
        assert (status, error["code"] in ("unavailable", "error")) == (500, True), name
        if not name.startswith("analyses"):  # read one by one, where they are asked for
            assert error["came"].startswith("Limelight could not load "), name


def test_a_broken_installation_leaves_tensorboard_alive(recorded):
    """Its entry point loads, TensorBoard starts, and the route says what is missing."""
    script = """
import sys
for name in ("zarr", "xarray", "numcodecs", "safetensors"):
    sys.modules[name] = None
from limelight.apps.tensorboard import LimelightPlugin
from tensorboard.plugins import base_plugin
from werkzeug.test import Client
from tensorboard.backend import application
plugin = LimelightPlugin(base_plugin.TBContext(logdir="/nowhere", data_provider=None))
class Provider:
    def list_runs(self, *_, **__): return []
    def list_plugins(self, *_, **__): return []
plugin._context.data_provider = Provider()
client = Client(application.TensorBoardWSGI([plugin], "", Provider()))
assert plugin.is_active() is False
response = client.get("/data/plugin/limelight/catalogue")
print(response.status_code, response.get_json()["error"]["came"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("500 Limelight could not load ")
