"""Keep what this version of limelight writes, to be opened by every later one.

``python tests/store/keep.py NAME``, a version or what is new on disk, writes
``tests/store/kept/NAME.zip``: runs of every form of storage, and in ``expected.npz`` what they held
when they were written. Never write one again: what a released limelight wrote does not change.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import xarray as xr

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "golden")]

import planted  # noqa: E402
from factored import RULES, rule_of, site_of, vectors  # noqa: E402
from recordings import parameters, record, site, two_sites  # noqa: E402

from limelight.factors import factored  # noqa: E402
from limelight.rule import Rule  # noqa: E402
from limelight.store import Writer, open_run  # noqa: E402

#: One axis of a map that is kept pooled as well, and a map that large.
LONG = 4100


def main(version: str) -> None:
    """Write runs, what they hold, and put them into one file."""
    (HERE / "kept").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        with zipfile.ZipFile(HERE / "kept" / f"{version}.zip", "x", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file() and not path.name.startswith("events."):
                    packed.write(path, path.relative_to(folder))


def write(folder: Path) -> None:
    """Write runs of every form of storage, and beside them what they hold."""
    for name, tree in (("words", planted.words), ("digits", planted.digits), ("weights", None)):
        planted.write(folder / name, tree)
    planted.write(folder / "compact", planted.words, precision="compact")
    with Writer(folder / "vectors") as writer:
        for step in (0, 3):
            rules = {kind: site_of(vectors(step, examples=2, kind=kind)) for kind in RULES}
            strong = vectors(
                step + 1,
                examples=2,
                strength=4.0,
                softcap=3.0,
                sink_logit=True,
                heads=4,
                key_heads=2,
            )
            wide = vectors(step + 2, examples=2, strength=300.0)
            more = {"strong": site_of(strong), "wide": site_of(wide)}
            whole = {"whole": site(step, (2, 2, 40, 70), kind="cross", by_head=True)}
            record(writer, step, rules | more | whole)
    query = np.zeros((1, 1, LONG, 2), np.float32)
    query[..., ::400, :] = 2.0
    key = np.linspace(-1, 1, 2 * LONG, dtype=np.float32).reshape(1, 1, LONG, 2)
    with Writer(folder / "long") as writer:
        record(writer, 0, {"long": site_of(factored(query, key, Rule.causal(LONG, LONG), 1.0))})
    changing(folder / "changing")
    assert set(RULES) > {"by head"}
    assert rule_of("scattered", 1, 1, 8).cells is not None
    expected = {}
    for run in sorted(folder.iterdir()):
        expected |= {f"{run.name}/{key}": value for key, value in contents(run).items()}
    np.savez_compressed(folder / "expected.npz", **expected)


def changing(folder: Path) -> None:
    """Write a run whose sites, parameters and lengths come and go, and that began anew once."""
    with Writer(folder) as writer:
        record(writer, 0, two_sites(5), parameters=parameters(5))
        record(writer, 9, two_sites(6), parameters=parameters(6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Writer(folder) as writer:
            record(writer, 4, {"pool": two_sites(7)["pool"]}, parameters=parameters(7))
            shorter = two_sites(8) | {"pool": site(8, (2, 1, 1, 5), kind="pooling")}
            record(writer, 6, shorter, parameters=parameters(8).isel(parameter=[1]))
            record(writer, 8, two_sites(9), parameters=parameters(9))


def contents(folder: Path) -> dict[str, np.ndarray]:
    """Return every number that a run holds, by where it is."""
    run = open_run(folder)
    held = {"steps": run.steps, "epochs": run.epochs, "times": run.wall_times}
    measures = run.measures() if run.sites else xr.Dataset()
    held |= {f"measures/{name}": values.values for name, values in measures.data_vars.items()}
    if run.parameter_names:
        parameters = run.parameters().drop_vars("edge")  # follows from the others
        held |= {
            f"parameters/{name}": numbers.values for name, numbers in parameters.data_vars.items()
        }
    images = [run.image(example) for example in range(len(run.examples))]
    held |= {f"image/{at}": image for at, image in enumerate(images) if image is not None}
    for at in run.steps if run.sites else []:
        step = int(at)
        for example in range(len(run.examples_at(step))):
            for reduce in ("max", "mean"):
                for name, (cells, nan) in run.overview(step, example, reduce).items():
                    held[f"overview/{step}/{example}/{reduce}/{name}"] = cells
                    if nan is not None:
                        held[f"nan/{step}/{example}/{reduce}/{name}"] = nan
            for name, cells in run.overview_allowed(step, example).items():
                if cells is not None:
                    held[f"barred/{step}/{example}/{name}"] = ~cells
        for name in run.sites_at(step):
            part = run.stored(name, step)
            if part.sizes["query"] == LONG:
                part = part.isel(query=slice(None, None, 400), key=slice(None, None, 50))
                large = run.pooled(name, step, 0, 0)
                every = slice(0, 40), slice(0, 40)
                held |= {f"pooled/{kind}": large.cells(kind, *every) for kind in ("max", "mean")}
                held["pooled/allowed"] = large.allowed(*every)
            for variable in ("weights", "allowed", "query_valid", "key_valid"):
                held[f"{variable}/{step}/{name}"] = part[variable].values
    return held


if __name__ == "__main__":
    main(sys.argv[1])
