"""limelight: the attention and weight observatory for TensorBoard."""

__version__ = "0.1.0"
