"""The embedded cluster: objects, server-side apply, controllers and a clock."""
