"""Ground truth of the pixels: a binary mask, or honestly nothing. Shapes: H, W of the mask."""
