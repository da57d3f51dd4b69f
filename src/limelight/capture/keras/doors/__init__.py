"""What limelight does beside gates where a Keras model attends: cut, hand out, prune."""
