"""One file per method of the comparison: its source, its settings, where it deviates."""
