"""One step laid out in rows, written, and published last."""
