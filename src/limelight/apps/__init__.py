"""What people start: the Keras callback, the TensorBoard plugin, the command line."""
