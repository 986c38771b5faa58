"""Designs on disk, in the layout of SAELens."""
