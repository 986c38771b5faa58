"""Tests of the closed forms; a package so that its oracles can be imported."""
