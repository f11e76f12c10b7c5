"""The page of the desk in a real browser: `make browser`."""
