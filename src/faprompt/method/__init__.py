"""FAPrompt itself: prompts (CAP), prior (DAP), scoring, losses and the one forward."""
