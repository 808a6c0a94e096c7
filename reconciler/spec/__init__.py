"""What users write, as stdlib dataclasses of Values."""
