"""Sparse autoencoders of other libraries as designs, one module a library.

They are held, not copied, and asked for their ``encode`` and ``decode``. None of the libraries is needed to import
these modules; only :func:`sasa_theory.designs.adapters.sae_lens.register_sasa` imports one.
"""
