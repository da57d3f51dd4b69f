"""What is on disk: arrays, their sizes and files, the description and the index."""
