"""Gates on the heads of a torch model, and many of them in one go."""
