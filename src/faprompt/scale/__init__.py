"""Many images: shards that are made exactly once, in one process or on a Ray cluster."""
