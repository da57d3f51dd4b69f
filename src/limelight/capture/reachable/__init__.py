"""Everything a model can reach, put back as it was before a pass.

Room: capture, below the adapters; knows no framework. Comes in: a model, and what its adapter says
of its framework's own values. Goes out: a :class:`Memory` that puts back by value, in place and to
the bit, whatever a pass wrote: attributes, containers, arrays, generators of random numbers,
counters. Cyclic and shared objects are met once.
"""

from limelight.capture.reachable.memory import Memory as Memory
from limelight.capture.reachable.paths import spelled as spelled
