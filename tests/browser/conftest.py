"""What the tests of the tab share: runs trained once, a TensorBoard, a page that may not complain."""

from __future__ import annotations
