"""Use cases beside the run itself: promote, discover, repair, explain, status, rights."""
