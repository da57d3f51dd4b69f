"""Writes BertViz's ``model_view`` of some maps as a page: ``bertviz_page.py MAPS.npz PAGE.html``.

Runs in a process of its own, whose Python may be another one: it needs bertviz and torch, and
nothing of limelight.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np


def main() -> None:
    """Write the page and print how long BertViz took for it."""
    import torch
    from bertviz import model_view

    with np.load(sys.argv[1]) as found:
        weights, tokens = found["weights"], found["tokens"].tolist()
    maps = [torch.from_numpy(layer)[None] for layer in weights]
    started = time.perf_counter()
    page = model_view(maps, tokens, html_action="return").data
    seconds = time.perf_counter() - started
    Path(sys.argv[2]).write_text(page, encoding="utf-8")
    print(json.dumps({"seconds": seconds, "bytes": len(page), "version": version("bertviz")}))


if __name__ == "__main__":
    main()
