"""Figures and tables drawn from records; nothing here measures."""
