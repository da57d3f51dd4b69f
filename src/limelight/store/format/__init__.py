"""What is on disk: arrays, their sizes and places, the description and the index."""
