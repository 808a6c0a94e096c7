"""How the elements of a list of maps are matched."""

import pytest

from reconciler.objects.listkeys import POD_LISTS, keys_of, usual_keys


@pytest.mark.parametrize(
    ("element", "keys", "found"),
    [
        ({"name": "a", "image": "i"}, ("name",), ("a",)),
        ({"containerPort": 80}, POD_LISTS["ports"], (80, "TCP")),
        ({"containerPort": 80, "protocol": "UDP"}, POD_LISTS["ports"], (80, "UDP")),
        ({"protocol": "UDP"}, POD_LISTS["ports"], None),
        ({"name": None}, ("name",), None),
        ({"name": ["a"]}, ("name",), None),
    ],
)
def test_an_element_is_known_by_its_keys_with_the_server_s_defaults(element, keys, found):
    assert keys_of(element, keys) == found


@pytest.mark.parametrize(
    ("elements", "keys"),
    [
        ([{"name": "a"}, {"name": "b"}], ("name",)),
        ([{"type": "x", "name": "a"}, {"type": "y"}], ("type",)),
        ([{"port": 80}, {"port": 81}], ("port",)),
        ([{"name": "a"}, {"port": 80}], None),
        ([{"name": {}}], None),
        ([{"other": "a"}], None),
        ([{"name": "a"}, "b"], None),
        (["a", "b"], None),
        ([], None),
    ],
)
def test_without_declared_keys_the_first_usual_one_that_all_have_is_taken(elements, keys):
    assert usual_keys(elements) == keys
