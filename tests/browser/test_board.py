"""What stock TensorBoard itself makes of the recordings."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest
from texts import IMAGES, LIVE, POOLING, TEXT, WEIGHTS

import limelight as ll
from conftest import free_port, until

ATTENTIVE = {TEXT: ["layer_0", "layer_1"], IMAGES: ["pixels"], POOLING: ["pooling"]}


@pytest.mark.parametrize("run", ATTENTIVE)
def test_scalars_lists_mean_entropies(board, run):
    opened = ll.open_run(board.logdir / run)
    tags = board.get("plugin/scalars/tags")[run]
    for site in ATTENTIVE[run]:
        tag = f"attention/{site}/entropy"
        assert tag in tags
        query = urlencode({"run": run, "tag": tag})
        series = board.get(f"plugin/scalars/scalars?{query}")
        assert [step for _, step, _ in series] == opened.steps.tolist()
        entropy = opened.measures()["entropy"].sel(site=site).mean(["example", "head"])
        assert [value for _, _, value in series] == pytest.approx(entropy.values.tolist(), rel=1e-5)


@pytest.mark.parametrize("dashboard", ["histograms", "distributions"])
def test_histograms_and_distributions_list_every_weight(board, dashboard):
    tags = board.get(f"plugin/{dashboard}/tags")
    for run in (TEXT, IMAGES, POOLING, WEIGHTS, LIVE):
        names = ll.open_run(board.logdir / run).parameter_names
        assert {f"weights/{name}" for name in names} == set(tags[run])


def test_a_histogram_holds_every_value(board):
    query = urlencode({"run": WEIGHTS, "tag": "weights/dense/kernel"})
    steps = board.get(f"plugin/histograms/histograms?{query}")
    assert len(steps) == 5
    assert all(sum(count for _, _, count in bins) == 6 * 16 for _, _, bins in steps)


def test_the_plain_program_finds_the_tab(board):
    port = free_port()
    program = ["-m", "tensorboard.main", "--logdir", str(board.logdir), "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, *program, "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    listing = {}

    def listed():
        assert process.poll() is None
        url = f"http://127.0.0.1:{port}/data/plugins_listing"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                listing.update(json.loads(response.read()))
        except urllib.error.URLError:
            return False
        return listing.get("limelight", {}).get("enabled", False)

    try:
        until(listed, lambda: listing)
        assert listing["limelight"]["tab_name"] == "Limelight"
    finally:
        process.kill()
        process.wait()
