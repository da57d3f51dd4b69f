"""Which softmax is attention, what its axes are, and why another is not."""
