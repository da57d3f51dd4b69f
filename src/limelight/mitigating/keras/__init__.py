"""Losses and training of Keras, on each of its backends."""
