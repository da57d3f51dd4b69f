"""What of a recording stock TensorBoard sees: events that point to it, scalars, histograms."""
