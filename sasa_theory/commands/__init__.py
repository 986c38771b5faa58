"""The command line, one command a file: words in, exit status out; what a command does is in the package it names."""
