"""Use cases beside the run itself: promote, discover, repair, explain, rights."""
