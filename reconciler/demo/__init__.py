"""The tour of `reconciler demo`, and the start of a config repo for `reconciler init`."""
