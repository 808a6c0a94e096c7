"""Object policies and plan policies, as findings on config lines."""
