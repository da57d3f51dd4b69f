"""The smallest models with attention, to find out whether capture works here; one file each."""
