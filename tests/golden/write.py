"""Write the golden answers: ``python tests/golden/write.py``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import planted

from limelight.catalogue import analyses
from limelight.wire import decode, encode

HERE = Path(__file__).parent


def main():
    import bare
    out = bare.all_answers()
    expected = {}
    for name, ds in out.items():
        data = encode(ds)
        (HERE / f"{name}.safetensors").write_bytes(data)
        expected[name] = describe(decode(data))
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")


def describe(ds):
    return {
        "attrs": plain(ds.attrs),
        "variables": {
            str(n): {
                "dims": list(v.dims), "shape": list(v.shape), "dtype": str(v.dtype) if v.dtype.kind not in "UO" else "text",
                "coord": n in ds.coords, "attrs": plain(v.attrs), "values": plain(np.asarray(v.values).ravel().tolist()),
            } for n, v in ds.variables.items()
        },
    }


def plain(v):
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [plain(x) for x in v]
    if isinstance(v, np.ndarray):
        return plain(v.tolist())
    if isinstance(v, float) and not math.isfinite(v):
        return "NaN" if math.isnan(v) else ("Infinity" if v > 0 else "-Infinity")
    return v

main()
