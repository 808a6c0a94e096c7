"""The fields that users write, as dataclasses of Values.

Validation, JSON Schemas and the reference docs are all made from these dataclasses (see
`apps.validate` and `apps.schema`). A field name is snake_case here and camelCase in YAML. The
string under a field is the field's documentation for users.
"""
