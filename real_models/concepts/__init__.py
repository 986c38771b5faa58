"""Concepts whose labels form a circle or a line: which unit holds them, in which order, and what turning it does."""
