"""Writes what another tool makes of some maps as a page: ``peer_page.py TOOL MAPS.npz PAGE.html``.

Runs in a process of its own, whose Python may be another one: it needs the tool, and nothing of
limelight.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np


def bertviz(weights, tokens):
    """Lines from token to token, a small picture for each head of each layer."""
    import torch
    from bertviz import model_view

    maps = [torch.from_numpy(layer)[None] for layer in weights]
    return model_view(maps, tokens, html_action="return").data


def circuitsvis(weights, tokens):
    """Draw a small picture for each head, and one of them large; it knows no layers."""
    from circuitsvis.attention import attention_heads

    names = [f"{layer}.{head}" for layer, head in np.ndindex(weights.shape[:2])]
    heads = weights.reshape(-1, *weights.shape[2:])
    # Its other page asks a public server for the same script.
    return attention_heads(heads, tokens, names, max_value=1, min_value=0).local_src


def attnview(weights, tokens):
    """All heads are in the page, which lists one row of one head at a time."""
    from attnview import from_cache, render_html

    cache = {f"blocks.{at}.attn.hook_pattern": layer[None] for at, layer in enumerate(weights)}
    return render_html(from_cache(cache, tokens=tokens))


TOOLS = {"bertviz": bertviz, "circuitsvis": circuitsvis, "attnview": attnview}


def main() -> None:
    """Write the page and print how long the tool took for it."""
    name, maps, path = sys.argv[1:]
    with np.load(maps) as arrays:
        weights, tokens = arrays["weights"], arrays["tokens"].tolist()
    started = time.perf_counter()
    page = TOOLS[name](weights, tokens)
    seconds = time.perf_counter() - started
    Path(path).write_text(page, encoding="utf-8")
    print(json.dumps({"seconds": seconds, "bytes": len(page), "version": version(name)}))


if __name__ == "__main__":
    main()
