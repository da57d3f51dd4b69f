"""Listens to one pass of a Keras model: which layers ran on what."""
