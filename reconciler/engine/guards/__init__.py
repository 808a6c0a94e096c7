"""Guards: each one checks a plan, and refuses the parts that a person must approve first."""
