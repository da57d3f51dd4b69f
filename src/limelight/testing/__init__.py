"""Shipped for those who write adapters and analyses: what theirs must pass."""

from limelight.testing.conformance import AdapterConformance as AdapterConformance

__all__ = ["AdapterConformance"]
