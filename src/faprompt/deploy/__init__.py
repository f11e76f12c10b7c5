"""Out of the lab: models as graphs that run without this library's training side."""
