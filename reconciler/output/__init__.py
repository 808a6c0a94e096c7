"""Reports rendered; commands never know the formats."""
