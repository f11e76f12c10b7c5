"""Zero-shot visual anomaly detection with fine-grained abnormality prompts on a frozen CLIP."""

__version__ = "0.1.0"
