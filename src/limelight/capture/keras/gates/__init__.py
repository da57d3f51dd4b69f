"""Gates on the heads of a Keras model."""
