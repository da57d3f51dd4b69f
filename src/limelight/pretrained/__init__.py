"""Small pretrained models that arrive inside registry packages."""
