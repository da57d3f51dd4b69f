"""Labelled arrays on disk, beside TensorBoard's event files."""

from limelight.store.description import Example as Example
from limelight.store.description import Site as Site
from limelight.store.reader import Run as Run
from limelight.store.reader import open_run as open_run
from limelight.store.writer import Writer as Writer
