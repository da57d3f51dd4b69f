"""Write the golden answers, or with ``--check`` say whether they are what limelight answers now.

``python tests/golden/write.py [--check]``
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import planted
import xarray as xr

from limelight.answer import answer
from limelight.query import Query
from limelight.store import open_run
from limelight.wire import decode, encode

HERE = Path(__file__).parent
NAME = "日本語 モデル/<b>a</b>&c=d#e"
ENCODER = "encoder/attention"

WORDS = {
    "run": Query("run"),
    "grid": Query("grid", step=250, example=0),
    "grid-mean": Query("grid", step=0, example=1, reduce="mean"),
    "map": Query("map", site=ENCODER, head=1, example=0, step=250),
    "map-padded": Query("map", site=ENCODER, head=0, example=1, step=100),
    "map-cross": Query("map", site="decoder/cross", head=1, example=0, step=100),
    "map-all": Query("map", site=ENCODER, head=0, step=100),
    "measures": Query("measures", site=ENCODER),
    "parameters": Query("parameters"),
    "summary": Query("summary", step=250),
    "tensors": Query("tensors"),
    "histograms": Query("histograms", parameter=("dense/kernel", "层/<b>scale</b>")),
}
DIGITS = {
    "run-image": Query("run"),
    "map-image": Query("map", site="attention", head=1, example=1, step=250),
}


def answers() -> dict[str, xr.Dataset]:
    """Record the planted runs and ask them everything."""
    answered = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, tree, queries in (
            (NAME, planted.words, WORDS),
            ("digits", planted.digits, DIGITS),
        ):
            run = open_run(planted.write(Path(folder) / name, tree))
            for key, query in queries.items():
                answered[key] = answer(run, query).load()
                if query.what == "run":
                    answered[key].attrs["run"] = name  # as the plugin names it
    return answered


def main() -> int:
    """Write, or check and return 1 where something differs."""
    answered = answers()
    if "--check" in sys.argv:
        stale = [name for name, dataset in answered.items() if not _fresh(name, dataset)]
        return int(bool(stale))
    for name, dataset in answered.items():
        (HERE / f"{name}.safetensors").write_bytes(encode(dataset))
    expected = {name: _described(decode(encode(dataset))) for name, dataset in answered.items()}
    text = json.dumps(expected, ensure_ascii=False, indent=1)
    (HERE / "expected.json").write_text(text + "\n", "utf-8")
    return 0


def _fresh(name: str, dataset: xr.Dataset) -> bool:
    """Compare numbers closely but not bit for bit: machines round logarithms differently."""
    now = decode(encode(dataset))
    try:
        before = decode((HERE / f"{name}.safetensors").read_bytes())
        xr.testing.assert_allclose(now, before, rtol=1e-5, atol=1e-7)
        expected = json.loads((HERE / "expected.json").read_text("utf-8"))[name]
        if not _same(_described(now), expected) or now.attrs != before.attrs:
            raise AssertionError(f"{name} differs from expected.json")
    except (AssertionError, OSError, KeyError) as difference:
        sys.stderr.write(f"golden answer {name!r}: {difference}\n")
        return False
    return True


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, float) and isinstance(other, int | float):
        return math.isclose(value, other, rel_tol=1e-5, abs_tol=1e-7)
    return bool(value == other)


def _described(dataset: xr.Dataset) -> dict[str, Any]:
    return {
        "attrs": _plain(dataset.attrs),
        "variables": {
            str(name): {
                "dims": list(variable.dims),
                "shape": list(variable.shape),
                "dtype": "text" if variable.dtype.kind in "UO" else str(variable.dtype),
                "coord": name in dataset.coords,
                "attrs": _plain(variable.attrs),
                "values": _plain(np.asarray(variable.values).ravel().tolist()),
            }
            for name, variable in dataset.variables.items()
        },
    }


def _plain(value: Any) -> Any:
    """Spell out what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


if __name__ == "__main__":
    sys.exit(main())
