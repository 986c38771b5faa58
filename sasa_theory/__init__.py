"""Claims about sparse autoencoders, proved, measured and falsified against known ground truth."""

__version__ = "0.1.0"
