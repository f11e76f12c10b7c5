"""Prompts are learned: feature cache, trainer, selection, logs."""
