"""What lies on disk of a recording, to be looked at and changed as nobody should."""

from __future__ import annotations

import json
import shutil
import zipfile

from limelight.store.format.checked import signed
from limelight.store.format.files import sidecar
from limelight.store.zarr import bundles


def described(run_dir):
    """Return what ``limelight.json`` says."""
    return json.loads((sidecar(run_dir) / "limelight.json").read_text("utf-8"))


def redescribe(run_dir, facts):
    """Write ``limelight.json`` anew, with the checksum of what it says now."""
    facts = {name: value for name, value in facts.items() if name != "crc"}
    (sidecar(run_dir) / "limelight.json").write_bytes(signed(json.dumps(facts)))


def edit(path, **changes):
    """Change a JSON file, at places such as ``sites__0__0__heads``; its checksum fits again."""
    facts = json.loads(path.read_text("utf-8"))
    for name, value in changes.items():
        *way, last = name.split("__")
        inner = facts
        for key in way:
            inner = inner[int(key) if key.isdigit() else key]
        inner[int(last) if last.isdigit() else last] = value
    if "crc" in facts:
        del facts["crc"]
        path.write_bytes(signed(json.dumps(facts)))
    else:
        path.write_text(json.dumps(facts), "utf-8")


def lines(run_dir):
    """Return the lines of the index."""
    return [json.loads(x) for x in (sidecar(run_dir) / "index.jsonl").read_text().splitlines()]


def unsealed(run_dir):
    """Put each row into a bundle of its own again, as if its writer still lived."""
    for path in sorted((sidecar(run_dir) / "rows").glob("s.*")):
        mark = described(run_dir)["run"]
        with zipfile.ZipFile(path) as packed:
            held = {name: packed.read(name) for name in packed.namelist()}
        path.unlink()
        rows = sorted(int(name[6:-5]) for name in held if name.startswith("index/"))
        for row in rows:
            of = [name for name in held
                  if name == f"index/{row}.json" or f"/c.{row}." in name]  # fmt: skip
            members = [(name, held[name]) for name in of]
            path.with_name(f"r.{row}.zip").write_bytes(bundles.packed(members, mark))
    return run_dir


def bundle(run_dir, row):
    """Return the bundle of a row."""
    every = bundles.listed(bundles.Files.of(run_dir))
    return next(known.path for known in every if known.first <= row <= known.last)


def break_row(run_dir, row, array, change):
    """Cut, delete or flip a row of an array: its file, or its member in its bundle."""
    files = list((sidecar(run_dir) / "data.zarr" / array).glob(f"c.{row}.*"))
    if files:
        (path,) = files
        data = bytearray(path.read_bytes())
        if change == "deleted":
            path.unlink()
        elif change == "a folder":
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(_changed(data, change))
        return
    unsealed(run_dir)
    path = bundle(run_dir, row)
    with zipfile.ZipFile(path) as packed:
        held = {name: packed.read(name) for name in packed.namelist()}
    (name,) = (name for name in held if name.startswith(f"{array}/c.{row}."))
    if change == "a folder":
        path.unlink()
        path.mkdir()
    elif change == "flipped":
        data = bytearray(path.read_bytes())
        data[data.index(held[name]) + len(held[name]) // 2] ^= 1
        path.write_bytes(data)
    else:
        held[name] = _changed(held[name], change) if change != "deleted" else None
        members = [pair for pair in held.items() if pair[1] is not None]
        path.write_bytes(bundles.packed(members, described(run_dir)["run"]))


def _changed(data, change):
    if change == "flipped":
        data = bytearray(data)
        data[20] ^= 255
        return bytes(data)
    return data[: -9 if change == "cut" else 0]


def copied(run_dir, to):
    """Return a copy of a run."""
    shutil.copytree(run_dir, to)
    return to
