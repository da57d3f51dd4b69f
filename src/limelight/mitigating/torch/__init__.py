"""Losses and training of PyTorch."""
