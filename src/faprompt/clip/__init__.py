"""The frozen backbone: registry, weights, tokenizer, image and text towers."""
