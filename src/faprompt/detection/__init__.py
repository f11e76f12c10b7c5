"""Prompts are used: detector, rendering, evaluation."""
