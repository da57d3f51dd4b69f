"""Which layer or softmax is attention, and what its axes are."""
