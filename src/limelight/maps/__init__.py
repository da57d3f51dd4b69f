"""What attention maps alone say of heads: pure functions of weights, no model in sight."""
