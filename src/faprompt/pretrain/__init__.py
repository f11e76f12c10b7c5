"""How the embedded backbone was made: renderer, captions, recipe."""
