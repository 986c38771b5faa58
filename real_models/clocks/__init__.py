"""A really trained transformer whose features are known circles: addition on several clocks."""
