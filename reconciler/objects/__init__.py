"""Kubernetes values without I/O: identity, drafts and manifests, what was observed, outcomes."""
