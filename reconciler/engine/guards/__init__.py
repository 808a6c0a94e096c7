"""Guards: each looks at a plan and says what must not go on without a person."""
