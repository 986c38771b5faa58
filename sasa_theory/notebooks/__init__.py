"""Notebooks as a product: executed in order by one command, so that what is committed is what the code gives."""
