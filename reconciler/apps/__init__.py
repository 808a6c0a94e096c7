"""From folders of a tree to typed applications."""
