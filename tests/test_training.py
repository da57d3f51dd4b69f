"""What the worked cases share: a quiet Keras, or one clear message."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from limelight import installation, training
from limelight.data import packages
from limelight.errors import LimelightError, UnavailableError


@pytest.mark.parametrize("size", [0.0, -1.0, 1.5])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(LimelightError, match="Wanted a share above 0 and at most 1"):
        training.begin(size)


@pytest.mark.parametrize("missing", ["keras", "tensorflow"])
def test_missing_framework_names_the_extra(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UnavailableError) as caught:
        training.prepare(packages.DIGITS)
    assert str(caught.value) == (
        f"Could not find {missing}. "
        "Wanted Keras 3 on TensorFlow, which the worked cases train with. "
        f"Run: {installation.command('tensorflow')}"
    )


def test_keras_comes_up_quietly_whatever_backend_is_set():
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    program = (
        "from limelight import training\n"
        "keras = training.load_keras()\n"
        "print(keras.backend.backend())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.stdout == "tensorflow\n", done.stderr
    assert done.stderr == ""
