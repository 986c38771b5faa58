"""Tests of the public test kit; a package so that its broken designs can be imported."""
