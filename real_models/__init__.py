"""The metrics of this project on language models: where activations are read, how they are trained on and judged."""
