"""Studies: each runs a model many times over data. One file a study, found by being there."""
