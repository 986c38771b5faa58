"""Vector SAEs: one decoder direction a unit."""
