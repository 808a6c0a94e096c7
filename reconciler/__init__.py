"""A declarative GitOps reconciler for the life cycle of machine-learning models on Kubernetes.

The names that the outside world sees are constants here and nowhere else.
"""

__all__ = [
    "API_DOMAIN",
    "API_VERSION",
    "DISTRIBUTION",
    "DOCUMENTATION",
    "FIELD_MANAGER",
    "TOOL_NAMESPACE",
    "__version__",
]

__version__ = "0.1.0"

DISTRIBUTION = "ml-reconciler"
API_DOMAIN = "ml-reconciler.dev"
API_VERSION = f"{API_DOMAIN}/v1"
DOCUMENTATION = f"https://{API_DOMAIN}"
FIELD_MANAGER = "reconciler"
#: Where inventories, rollout states and leases live; no group may use it.
TOOL_NAMESPACE = "ml-reconciler"
