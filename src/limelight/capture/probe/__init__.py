"""The fixed examples a run is watched on, and how the model is called and read on them."""

from limelight.capture.probe.probe import Probe as Probe
from limelight.capture.probe.tokens import Tokens as Tokens
