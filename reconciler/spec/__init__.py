"""What users write, as stdlib dataclasses of Values.

The dataclasses are the only definition: validation, JSON Schemas and reference docs are made from
them (see `apps.validate` and `apps.schema`). Field names are snake_case here and camelCase in YAML;
the string under a field is its documentation.
"""
