"""Gates on heads, for every framework: what a user writes, and what all adapters share of it."""

from limelight.capture.gating.attending import attended as attended
from limelight.capture.gating.context import gate as gate
from limelight.capture.gating.cutting import cut as cut
from limelight.capture.gating.gates import Gates as Gates
from limelight.capture.gating.gates import Piece as Piece
from limelight.capture.gating.pruning import prune as prune
from limelight.capture.gating.sweeping import sweep as sweep
