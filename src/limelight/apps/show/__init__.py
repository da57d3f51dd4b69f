"""The same screens without TensorBoard: ``limelight show LOGDIR``."""

from limelight.apps.show.command import show as show
from limelight.apps.show.serving import showing as showing
