"""Numbers out: ranking metrics and region overlap, pure and streaming."""
