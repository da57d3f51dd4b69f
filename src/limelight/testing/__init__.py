"""Shipped for those who write adapters and analyses: what theirs must pass."""
