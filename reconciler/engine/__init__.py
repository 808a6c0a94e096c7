"""Use cases: the stages of one run and the commands made of them."""
