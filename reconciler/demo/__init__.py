"""The tour of `reconciler demo`, and the config repo that `reconciler init` writes."""
