"""Losses of arrays: for closed forms, examples and evaluation without a framework."""
