"""What a module does in successive calls of a model that generates becomes one map."""
