"""The demands on a design, by family; :mod:`.registry` lists them."""
