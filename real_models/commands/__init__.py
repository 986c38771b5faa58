"""The commands ``sasa-theory real ...``, one a file: words in, exit status out."""
