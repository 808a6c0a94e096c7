"""Types for Kubernetes objects, without I/O: keys, kinds, drafts, manifests, observed objects, and
the outcome of a request."""
