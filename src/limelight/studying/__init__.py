"""How a study runs a model many times over data: what all studies share, and none of them."""
