"""Models and maps whose answers are known, for tests of whatever studies heads.

Room: testing. Built by hand, not trained: what each head does follows from how it was made, so a
study that says something else is wrong.
"""

from limelight.testing.known.aligned import Aligned as Aligned
from limelight.testing.known.deciding import Deciding as Deciding
from limelight.testing.known.heads import Head as Head
from limelight.testing.known.heads import block as block
from limelight.testing.known.heads import duplicate as duplicate
from limelight.testing.known.heads import even as even
from limelight.testing.known.heads import first as first
from limelight.testing.known.heads import induction as induction
from limelight.testing.known.heads import offset as offset
from limelight.testing.known.heads import structureless as structureless
from limelight.testing.known.heads import token as token
from limelight.testing.known.inputs import evidence as evidence
from limelight.testing.known.inputs import random_tokens as random_tokens
from limelight.testing.known.inputs import repeated_tokens as repeated_tokens
from limelight.testing.known.maps import clustered as clustered
from limelight.testing.known.maps import independent as independent
from limelight.testing.known.maps import sharp as sharp
from limelight.testing.known.model import AttentionOnly as AttentionOnly

__all__ = [
    "Aligned", "AttentionOnly", "Deciding", "Head", "block", "clustered", "duplicate", "even",
    "evidence", "first", "independent", "induction", "offset", "random_tokens", "repeated_tokens",
    "sharp", "structureless", "token",
]  # fmt: skip
