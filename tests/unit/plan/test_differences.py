"""What differs between two objects."""

import pytest

from reconciler.plan import compare


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        (
            {"spec": {"l": [{"name": "a", "v": 1}]}},
            {"spec": {"l": [{"name": "a", "v": 2}]}},
            [("spec", "l", 0, "v")],
        ),
        (
            {"spec": {"l": [{"name": "a"}, {"name": "b"}]}},
            {"spec": {"l": [{"name": "b"}, {"name": "a"}]}},
            [("spec", "l")],
        ),
        ({"spec": {"l": [1, 2]}}, {"spec": {"l": [1]}}, [("spec", "l")]),
        ({"spec": {"l": [1, 2]}}, {"spec": {"l": [1, 3]}}, [("spec", "l", 1)]),
        ({"r": {"limits": {"cpu": "1"}}}, {"r": {"limits": {"cpu": "1000m"}}}, []),
        (
            {"r": {"limits": {"cpu": "1"}}},
            {"r": {"limits": {"cpu": "1001m"}}},
            [("r", "limits", "cpu")],
        ),
        (
            {"r": {"names": {"cpu": "1"}}},
            {"r": {"names": {"cpu": "1000m"}}},
            [("r", "names", "cpu")],
        ),
        ({"a": 1}, {}, [("a",)]),
        ({}, {"a": None}, [("a",)]),
        ({"status": 1}, {"status": 2}, []),
        (
            {"metadata": {"uid": "a", "labels": {"x": "1"}}},
            {"metadata": {"uid": "b", "labels": {"x": "2"}}},
            [("metadata", "labels", "x")],
        ),
        (
            {"spec": {"l": [{"name": "a"}, {"name": "b"}]}},
            {"spec": {"l": [{"name": "b"}]}},
            [("spec", "l", 0)],
        ),
    ],
)
def test_differences_are_fields(before, after, paths):
    assert [change.path for change in compare.compare_bodies(before, after)] == paths
