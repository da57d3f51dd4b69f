"""Studies of a small torch model; tests of one process, without TensorFlow."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # small.py, which other processes import by its name
