"""Block SAEs: a unit is a group of columns, its decoder a subspace."""
