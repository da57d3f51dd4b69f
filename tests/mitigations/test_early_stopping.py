"""When training stops, and what may never be watched for it."""

from __future__ import annotations

import numpy as np
import pytest

from limelight import mitigations as mt
from limelight.errors import LimelightError

NAN = float("nan")


@pytest.mark.parametrize(
    ("monitor", "options", "values", "stops", "best"),
    [
        ("val_loss", {"patience": 2}, [3, 2, 2.5, 2.1, 1], 3, (2, 1)),
        ("val_accuracy", {"patience": 1}, [0.5, 0.6, 0.6], 2, (0.6, 1)),
        ("eval_loss", {"patience": 1, "least": 0.5}, [3, 2.7, 1], 1, (3, 0)),
        ("val_score", {"patience": 1, "mode": "min"}, [3, 2, 4], 2, (2, 1)),
        ("val_loss", {"patience": 2}, [NAN, NAN, 1], 3, (1, 2)),
        ("val_loss", {"patience": 2}, [1, NAN, NAN], 2, (1, 0)),
    ],
)
def test_a_loop_stops_after_waiting(monitor, options, values, stops, best):
    stop = mt.EarlyStopping(monitor, framework="loop", **options)
    said = [stop(value) for value in values]
    assert said.index(True) == stops if True in said else stops == len(said)
    if not any(np.isnan(values)):
        seen = mt.EarlyStopping(monitor, framework="loop", **options)
        for value in values[: stops + 1]:
            seen(value)
        assert (seen.best, seen.best_step) == best


def test_the_frameworks_do_it_with_the_best_weights():
    import keras

    made = mt.EarlyStopping("val_accuracy", patience=4, framework="keras")
    assert isinstance(made, keras.callbacks.EarlyStopping)
    assert made.restore_best_weights
    assert (made.monitor, made.patience, made.mode) == ("val_accuracy", 4, "max")


@pytest.mark.parametrize("monitor", ["loss", "accuracy", "train_loss"])
def test_numbers_of_the_training_data_are_refused(monitor):
    with pytest.raises(LimelightError, match="held-out"):
        mt.EarlyStopping(monitor, framework="loop")


def test_what_makes_no_sense_is_said():
    with pytest.raises(LimelightError, match="patience=0"):
        mt.EarlyStopping(patience=0, framework="loop")
    with pytest.raises(LimelightError, match="framework='jax'"):
        mt.EarlyStopping(framework="jax")
