"""A recording opened: lazy arrays of what is published."""
