"""Real data that arrives inside registry packages: fetched once, checked, and read."""
