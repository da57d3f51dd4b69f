"""Labelled arrays on disk, beside TensorBoard's event files."""

from limelight.store.format.description import Example as Example
from limelight.store.format.description import Site as Site
from limelight.store.format.studies import Progress as Progress
from limelight.store.format.studies import Study as Study
from limelight.store.read.reader import Run as Run
from limelight.store.read.reader import open_run as open_run
from limelight.store.write.step import Step as Step
from limelight.store.write.writer import Writer as Writer
