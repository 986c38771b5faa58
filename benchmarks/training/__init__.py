"""Speed and memory of training, side by side with the peers' own training steps; see README.md one folder up."""
