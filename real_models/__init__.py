"""The metrics of this project on language models; holds only what exists, which is nothing yet."""
