"""Fills in the pages of the site that are made, not written: analyses, gallery, changelog.

MkDocs calls the functions named ``on_…``; see its manual under "hooks".
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: What the browser's tests compare with: `<room>-<name>-<theme>.png`.
_PICTURES = ROOT / "tests" / "browser" / "golden"


_HEAD = "| claims | units | from | to | sites | no number for | computed from |"


def rules() -> str:
    """Return the table of the rules of alerts."""
    from limelight.alerts.judging import report

    lines = [
        "| rule | tells of | people usually | its number | looks at |",
        "|---|---|---|---|---|",
    ]
    for name, card in report.rules().items():
        looks, words = ", ".join(f"`{kind}`" for kind in card.needs), card.words
        cells = f"{words.title}<br>`{name}`", words.says, words.usually, card.source, looks
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def on_config(config: Any) -> Any:
    """Show the benchmarks once ``make bench`` has written them."""
    if (ROOT / "docs" / "benchmarks.md").is_file():
        config.nav.insert(-1, {"Benchmarks": "benchmarks.md"})
        config.exclude_docs = None
    return config


def on_files(files: Any, config: Any) -> Any:
    """Put the pictures of the gallery where its page looks for them."""
    from mkdocs.structure.files import File

    for path in _pictures():
        uri = f"images/gallery/{path.name}"
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put what is made in the place that its page keeps for it."""
    source = page.file.src_uri
    if source == "catalogue.md":
        return markdown.replace("<!-- analyses -->", analyses())
    if source == "alerts.md":
        return markdown.replace("<!-- rules -->", rules())
    if source == "mitigations.md":
        return markdown.replace("<!-- mitigations -->", mitigations())
    if source == "gallery.md":
        return markdown.replace("<!-- gallery -->", gallery())
    if source == "changelog.md":
        return markdown.replace("<!-- changelog -->", changelog())
    return markdown


def analyses() -> str:
    """Return every analysis as Markdown, from its card and docstring."""
    from limelight.catalogue import analyses as cards  # the site's other hooks run without it

    return "\n\n".join(_analysis(card) for card in cards().values())


def mitigations() -> str:
    """Return what mitigations there are, and what each runs on, from their cards."""
    from limelight.mitigating.card import BACKENDS
    from limelight.mitigations import cards

    rows = [
        f"| mitigation | acts on | needs | {' | '.join(BACKENDS)} |",
        f"|---|---|---|{'---|' * len(BACKENDS)}",
    ]
    reasons: list[str] = []
    for card in cards().values():
        cells = ["✓" if name in card.backends else "–" for name in BACKENDS]
        needs = ", ".join(card.needs)
        rows.append(
            f"| `mt.{card.name}` {card.title} | {card.stage} | {needs} | {' | '.join(cells)} |"
        )
        reasons += [f"- `mt.{card.name}`, {name}: {reason}" for name, reason in card.why_not]
    return "\n".join([*rows, *(["", *reasons] if reasons else [])])


def gallery() -> str:
    """Return the pictures of every lens and panel, those of the theme that is read in."""
    rows: list[str] = []
    for path in _pictures():
        room, name, theme = path.stem.split("-")
        title = f"## {room.capitalize()}"
        if title not in rows:
            rows.append(title)
        heading = f"### {name.replace('_', ' ').capitalize()}"
        if heading not in rows:
            rows.append(heading)
        rows.append(f"![{name}, {theme}](images/gallery/{path.name}#only-{theme})")
    return "\n\n".join(rows)


def _pictures() -> list[Path]:
    return [path for path in sorted(_PICTURES.glob("*.png")) if "-changed" not in path.stem]


def changelog() -> str:
    """Return the released changes, after those waiting in ``changes/``."""
    waiting = [
        path.read_text(encoding="utf-8").strip()
        for path in sorted((ROOT / "changes").glob("*.md"))
        if path.name != "README.md"
    ]
    released = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("start -->")[2]
    upcoming = "\n".join(f"- {' '.join(text.split())}" for text in waiting)
    return (f"## Not yet released\n\n{upcoming}\n\n" if waiting else "") + released


def _analysis(card: Any) -> str:
    low, high = card.bounds
    cost = "one pass over queries and keys" if card.closed_form else "whole rows of weights"
    kinds, missing = ", ".join(card.kinds), card.leaves_out or "none"
    row = f"| {card.tier} | {card.units} | `{low}` | `{high}` | {kinds} | {missing} | {cost} |"
    rows = [
        f"## {card.name}",
        card.answers,
        "\n".join([_HEAD, re.sub(r"[^|]+", "---", _HEAD), row]),
    ]
    text = inspect.getdoc(card.function) or ""
    formula = re.search(r"\.\. math:: (.+(?:\n +.+)*)", text)
    if formula:
        rows.append(f"```latex\n{formula[1]}\n```")
    rows += [_section(text, heading) for heading in ("Notes", "References", "Examples")]
    return "\n\n".join(row for row in rows if row)


def _section(text: str, heading: str) -> str:
    match = re.search(rf"^{heading}\n-+\n(.*?)(?=\n\n\w[\w ]*\n-{{3,}}\n|\Z)", text, re.M | re.S)
    if not match:
        return ""
    body = match[1].strip()
    if heading == "Examples":
        return f"```pycon\n{body}\n```"
    return re.sub(r"^\.\. \[\d+\] ", "Source: ", body, flags=re.M)
