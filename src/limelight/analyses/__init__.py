"""Pure functions: a labelled array in, a labelled array out. One file each; no framework."""
