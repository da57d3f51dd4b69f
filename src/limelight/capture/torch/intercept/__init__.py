"""Where a torch model attends; one file for each kind of attention."""
