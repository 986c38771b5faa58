"""What ``sasa-theory doctor`` looks at: packages, the machine, folders."""
