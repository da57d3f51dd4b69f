"""Small Keras models, and what their attention should be."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what TensorFlow's own imports complain about
    import keras


@pytest.fixture(autouse=True)
def _same_start():
    keras.utils.set_random_seed(7)
    yield
    # What one test names its layers must not number another's.
    keras.utils.clear_session(free_memory=False)


@pytest.fixture
def sequence():
    """Floats [example, position, feature]."""
    return np.random.default_rng(3).normal(size=(3, 6, 8)).astype("float32")


@pytest.fixture
def ids():
    """Word ids [example, position]; the second example ends in padding, 0."""
    numbers = np.random.default_rng(4).integers(1, 20, size=(3, 6))
    numbers[1, 4:] = 0
    return numbers
