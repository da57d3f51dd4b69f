"""Advice on installing names where limelight came from, and an index only if that was one."""

from __future__ import annotations

import json

import pytest

from limelight import installation


class Distribution:
    def __init__(self, facts):
        self.facts = facts

    def read_text(self, name):
        assert name == "direct_url.json"
        return None if self.facts is None else json.dumps(self.facts)


def test_in_a_checkout_it_is_the_checkout(root):
    assert installation.command("torch") == f'pip install -e "{root}[torch]"'


@pytest.mark.parametrize(
    ("facts", "command"),
    [
        (None, 'pip install -U "limelight[jax]"'),
        ({"url": "file:///home/me/lime%20light", "dir_info": {}},
         'pip install -U "/home/me/lime light[jax]"'),
        ({"url": "file:///src", "dir_info": {"editable": True}}, 'pip install -e "/src[jax]"'),
        ({"url": "https://example.org/l.git", "vcs_info": {"vcs": "git"}},
         'pip install -U "limelight[jax] @ git+https://example.org/l.git"'),
        ({"url": "https://example.org/l.whl", "archive_info": {}},
         'pip install -U "limelight[jax] @ https://example.org/l.whl"'),
    ],
)  # fmt: skip
def test_installed_it_is_what_pip_wrote_down(facts, command, monkeypatch, tmp_path):
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "a" / "limelight" / "x.py"))
    monkeypatch.setattr(installation.metadata, "distribution", lambda _: Distribution(facts))
    assert installation.command("jax") == command
