"""What the recorded runs are called, and what the models read."""

from __future__ import annotations

TEXT = "a/文字 run"
IMAGES = "digits"
POOLING = "pooling"
WEIGHTS = "<b>x</b>&y=z"
LIVE = "live"

#: Would run, were a token ever taken for markup.
MARKUP = "<img src=x onerror=alert(1)>"

SENTENCES = [
    ["the", "cat", "sat", "on", "the", "mat", "."],
    ["我", "爱", "北京", "天安门", "。"],
    ["so", "🎉", "happy", "👩‍👩‍👧", "today", "!"],
    ["שלום", "עולם", "مرحبا", "بالعالم"],
    ["look", MARKUP, "<b>bold</b>", "&amp;", "done"],
]
TOPICS = ["cat", "地方", "🎉", "עולם", "<i>markup</i>"]
