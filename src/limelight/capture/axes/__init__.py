"""Follows which axis is what through a model's operations. Knows no framework."""
