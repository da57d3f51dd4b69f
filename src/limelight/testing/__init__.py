"""Shipped for those who write adapters and kinds of attention: what theirs must pass."""

from limelight.testing.attention import AttentionConformance as AttentionConformance
from limelight.testing.conformance import AdapterConformance as AdapterConformance
from limelight.testing.doors import DoorConformance as DoorConformance

__all__ = ["AdapterConformance", "AttentionConformance", "DoorConformance"]
