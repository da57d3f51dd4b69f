"""Where this limelight was installed from, so that advice names that and nothing else.

Room: lowest. Comes in: nothing, or the name of an extra. Goes out: a command. A package index may
hold another project under our name, so it is named only if limelight came from one.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit


def command(extra: str = "") -> str:
    """Return the command that installs limelight again, or one of its extras.

    Parameters
    ----------
    extra : str
        Such as ``torch``; by default none.

    Returns
    -------
    str
        Of the folder or address it was installed from; of the checkout it runs in; or of the index.

    Examples
    --------
    >>> command("torch").startswith("pip install ")
    True
    """
    brackets = f"[{extra}]" if extra else ""
    source, editable = _source()
    if source is None:
        return f'pip install -U "limelight{brackets}"'
    if "://" in source:
        return f'pip install -U "limelight{brackets} @ {source}"'
    return f'pip install {"-e" if editable else "-U"} "{source}{brackets}"'


def _source() -> tuple[str | None, bool]:
    """Return the folder, file or address that limelight came from, and whether it is edited there.

    None where that is a package index.
    """
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return str(checkout), True
    try:
        text = metadata.distribution("limelight").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None, False
    if not text:
        return None, False
    facts = json.loads(text)
    address, parts = str(facts["url"]), urlsplit(str(facts["url"]))
    if parts.scheme == "file":
        return unquote(parts.path), bool(facts.get("dir_info", {}).get("editable"))
    version_control = facts.get("vcs_info", {}).get("vcs")
    return (f"{version_control}+{address}" if version_control else address), False
