"""One file for each kind of attention, found by being here; others bring theirs by entry point."""
