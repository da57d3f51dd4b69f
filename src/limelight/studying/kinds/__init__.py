"""Kinds of data that a study reads, one file each, found by looking into this folder.

A kind says whether some data is of it, ``matches(data)``, and yields batches ``(inputs, targets)``
in the data's own order, ``batches(data, collate)``. None loads a framework: data is asked for what
it offers.
"""
