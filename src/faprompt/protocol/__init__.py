"""Results are compared: rivals on the same towers, plans of sources and targets, reports."""
