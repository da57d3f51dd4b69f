"""What the worked cases share: a quiet Keras, a fit that is watched and reports how far it is.

Room: beside data. Comes in: a compiled Keras model and its data. Goes out: a trained model and a
recorded run. May import Keras and TensorFlow, and of limelight its public names and data.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import limelight as ll
from limelight import installation
from limelight.catalogue import Progress
from limelight.data import packages
from limelight.errors import LimelightError, UnavailableError

#: Recorded steps a run aims at: enough to see movement, few enough to cost little.
RECORDED = 16

#: All cases start from the same random numbers, every time.
SEED = 0

#: How many examples a trained model is asked for at once.
_AT_ONCE = 512


def require_keras() -> None:
    """Make sure that Keras and TensorFlow are installed, without importing them.

    Raises
    ------
    UnavailableError
        If one is missing.
    """
    missing = [name for name in ("tensorflow", "keras") if find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"Could not find {' and '.join(missing)}.",
            "Wanted Keras 3 on TensorFlow, which the worked cases train with.",
            f"Run: {installation.command('tensorflow')}",
        )


def prepare(package: packages.Package) -> None:
    """Make sure that a case can train: Keras is installed, its data is on this machine.

    Parameters
    ----------
    package : Package
        The data.

    Raises
    ------
    UnavailableError
        If Keras or TensorFlow is missing, or the data cannot be fetched.
    """
    require_keras()
    packages.fetch(package)


def load_keras() -> Any:
    """Import Keras on TensorFlow, without the notes TensorFlow writes to the terminal.

    Returns
    -------
    module
        ``keras``.

    Raises
    ------
    UnavailableError
        If Keras or TensorFlow is missing, or Keras runs on something else already.
    """
    require_keras()
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.constant(0)  # the first operation has notes of its own
    if keras.backend.backend() != "tensorflow":
        raise UnavailableError(
            f"Keras runs on {keras.backend.backend()} in this process.",
            "Wanted Keras on TensorFlow.",
            "Start again with the environment variable KERAS_BACKEND=tensorflow.",
        )
    return keras


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what C++ code writes to standard error; show it only if something fails."""
    try:
        terminal = os.dup(2)
    except OSError:  # there is no standard error to keep clean
        yield
        return
    with tempfile.TemporaryFile() as written:
        sys.stderr.flush()
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException:
            written.seek(0)
            os.write(terminal, written.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def begin(size: float, seed: int = SEED) -> Any:
    """Return Keras with a clean slate and fixed seeds, for the next model.

    Parameters
    ----------
    size : float
        Share of a run's training steps to do.
    seed : int

    Returns
    -------
    module
        ``keras``.

    Raises
    ------
    LimelightError
        If ``size`` is not above 0 and at most 1.
    UnavailableError
        If Keras or TensorFlow is missing.
    """
    if not 0 < size <= 1:
        raise LimelightError(
            f"Got size={size}.", "Wanted a share above 0 and at most 1.", "Write 0.1 for a tenth."
        )
    keras = load_keras()
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return keras


def fit(
    model: Any,
    inputs: Any,
    targets: Any,
    *,
    epochs: int,
    batch: int,
    size: float,
    run: str,
    folder: Path,
    probe: ll.Probe | None,
    progress: Progress,
    seed: int = SEED,
    validation: Any = None,
    **recorded: Any,
) -> None:
    """Train a compiled model, watched from its untrained state on.

    Parameters
    ----------
    model : keras.Model
    inputs, targets : array or dict of arrays
        First axis is the example.
    epochs : int
        Passes over the data.
    batch : int
        Examples per step. Every batch is full, so that no step compiles again.
    size : float
        Share of each pass to do.
    run : str
        Name of the run, for ``progress``.
    folder : Path
        The run's log directory.
    probe : Probe or None
        The examples its attention is watched on; None records parameters only.
    progress : callable
        Told how many steps are done.
    seed : int
        Of the order of the examples.
    validation : tuple of arrays, optional
        Inputs and targets whose loss is worked out after each epoch.
    **recorded
        What else the callback is to record, such as ``gradients=True``.
    """
    import tensorflow as tf

    each = max(1, int(len(targets) * size) // batch)
    data = tf.data.Dataset.from_tensor_slices((inputs, targets))
    first, wanted = next(iter(data.batch(batch)))
    data = data.shuffle(len(targets), seed=seed).repeat().batch(batch).prefetch(2)
    # TensorFlow traces a step twice if it has anything left to create.
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(first, wanted, model(first, training=False))
    model.reset_metrics()
    every = max(1, each * epochs // RECORDED)
    watcher = ll.KerasCallback(folder, probe, every=every, **recorded)
    model.fit(
        data, epochs=epochs, steps_per_epoch=each, shuffle=False, verbose=0,
        validation_data=validation, validation_batch_size=_AT_ONCE,
        callbacks=[watcher, _counter(run, each * epochs, progress)],
    )  # fmt: skip


def _counter(run: str, steps: int, progress: Progress) -> Any:
    """Return a callback that tells ``progress`` how many steps are done, from none on."""
    import keras

    class Counter(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
        done = 0

        def on_train_batch_end(self, step: int, logs: Any = None) -> None:  # noqa: ARG002
            self.done += 1
            progress(run, self.done, steps)

    progress(run, 0, steps)
    return Counter()


def no_progress(run: str, done: int, steps: int) -> None:
    """Ignore how far training is.

    Parameters
    ----------
    run : str
    done, steps : int
    """


def outputs(model: Any, inputs: Any) -> Any:
    """Return what a trained model says, without compiling it for that.

    Parameters
    ----------
    model : keras.Model
    inputs : ndarray [example, ...]

    Returns
    -------
    ndarray [example, ...]
    """
    starts = range(0, len(inputs), _AT_ONCE)
    said = [model(inputs[start : start + _AT_ONCE], training=False) for start in starts]
    return np.concatenate([np.asarray(part) for part in said])


def gradients_by_position(model: Any, embedding: str, ids: Any, targets: Any) -> Any:
    """Return how much the loss hangs on each position: the norm of its gradient there.

    Parameters
    ----------
    model : keras.Model
        From ids to the probability of a label, as one number.
    embedding : str
        The layer that turns ids into vectors.
    ids : ndarray [example, position] of int
    targets : ndarray [example] of int

    Returns
    -------
    ndarray [example, position]
        Of the loss of each example by itself, penalties on parameters left out.
    """
    import keras
    import tensorflow as tf

    with tf.GradientTape() as tape:
        said = model(ids, training=False)[:, 0]
        loss = tf.reduce_sum(keras.losses.binary_crossentropy(targets[:, None], said[:, None]))
    # One row for each look-up, in the order of the ids.
    rows = tape.gradient(loss, model.get_layer(embedding).embeddings.value).values
    return np.linalg.norm(np.asarray(rows), axis=-1).reshape(ids.shape)
