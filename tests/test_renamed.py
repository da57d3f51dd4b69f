"""Names of the release before: each works for one release, and says what it is called now."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: Framework to what was written against the release before, and the name it has now. Each
#: framework's rows run in a process of their own, in which there are ``ll``, a ``folder``, a
#: ``tree`` of one site and a ``run`` that holds it.
CALLS = {
    "no framework": [
        ("ll.Recorder(folder, None, weights=False)", "Recorder(parameters=…)"),
        ("ll.Recorder(folder, None, ranks='all')", "Recorder(processes=…)"),
        ("ll.sink", "limelight.first_key_share"),
        ("run.shrunk('a', 0, 0, 0)", "run.pooled()"),
        ("run.barred(0, 0)", "run.overview_allowed()"),
        ("Writer(folder + '/n').append(0, tree=tree, null=None)", "Writer.append(uniform=…)"),
        ("factored(x, x, Rule.everything(2, 2), 1.0, sink=None)", "factored(sink_logit=…)"),
        ("Offered(Adapter()).named_parameters", "named_parameters"),
    ],
    "tensorflow": [
        ("ll.KerasCallback(folder, None, ranks='all')", "KerasCallback(processes=…)"),
    ],
    "torch": [
        ("ll.LightningCallback(folder, None, ranks='all')", "LightningCallback(processes=…)"),
        ("ll.TrainerCallback(folder, None, ranks='all')", "TrainerCallback(processes=…)"),
        (
            (
                "import torch; ll.capture(torch.nn.MultiheadAttention(4, 1, batch_first=True),"
                " torch.ones(3, 3, 4), run=lambda model, x: model(x, x, x))"
            ),
            "capture(call=…)",
        ),
    ],
}

PROGRAM = """
import json, sys, tempfile, traceback, warnings
import numpy as np, xarray as xr
import limelight as ll
from limelight.capture.adapter import Offered
from limelight.factors import factored
from limelight.rule import Rule
from limelight.store import Writer

class Adapter:
    named_weights = staticmethod(lambda model: {})

answers, folder, x = {}, tempfile.mkdtemp(), np.ones((1, 1, 2, 3), np.float32)
weights = (("example", "head", "query", "key"), np.full((1, 1, 2, 2), 0.5, np.float32))
tree = xr.DataTree.from_dict({"a": xr.Dataset({"weights": weights}, attrs={"kind": "self"})})
with Writer(folder) as writer:
    writer.append(0, tree=tree)
run = ll.open_run(folder)
for line in json.loads(sys.argv[1]):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeprecationWarning)
        try:
            exec(compile(line, "<user>", "exec"), globals())
        except Exception:
            answers[line] = [traceback.format_exc()]
            continue
    answers[line] = [
        str(warning.message)
        for warning in caught
        if warning.filename == "<user>" and warning.category is DeprecationWarning
    ]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def warned():
    """Run a framework's rows once; what each line of a user's was told."""
    answers: dict[str, list[str]] = {}

    def of(framework: str, line: str) -> list[str]:
        if line not in answers:
            lines = json.dumps([line for line, _ in CALLS[framework]])
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, lines], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            answers.update(json.loads(done.stdout.splitlines()[-1]))
        return answers[line]

    return of


@pytest.mark.parametrize(
    ("framework", "line", "now"),
    [(framework, *row) for framework, rows in CALLS.items() for row in rows],
)
def test_an_old_name_works_and_names_the_new_one(framework, line, now, warned):
    (message,) = warned(framework, line)
    assert f" is called {now}" in message
