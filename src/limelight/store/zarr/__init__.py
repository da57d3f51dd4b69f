"""Rows of arrays as Zarr shards, written and read."""
