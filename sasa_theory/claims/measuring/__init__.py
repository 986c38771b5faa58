"""How things are measured: spheres, coverings, gauges, solvers, partitions. Nothing in here knows a bound."""
