"""Our own merge, for runs that may only read, against server-side apply."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reconciler
from reconciler import kinds
from reconciler.objects.observed import live_object
from reconciler.objects.outcome import Done
from reconciler.objects.quantity import amount
from reconciler.plan import merge_prediction
from reconciler.plan.compare import compare_bodies
from reconciler.plan.live_content import comparable
from reconciler.simulation.cluster import EmbeddedCluster

NAMES = st.sampled_from("abc")
DATA = st.dictionaries(NAMES, st.sampled_from(["1", "2"]), max_size=3)
ENV = st.lists(
    st.builds(lambda n, v: {"name": n, "value": v}, NAMES, st.sampled_from(["x", "y"])),
    unique_by=lambda one: one["name"],
    max_size=3,
)


def config_map(data, labels):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "m", "namespace": "default", "labels": labels},
        "data": data,
    }


def deployment(env, cpu, image):
    container = {"name": "c", "image": image, "env": env, "resources": {"limits": {"cpu": cpu}}}
    labels = {"app": "d"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


BODIES = st.one_of(
    st.tuples(*[st.builds(config_map, DATA, DATA)] * 3),
    st.tuples(
        *[
            st.builds(
                deployment,
                ENV,
                st.sampled_from(["500m", "0.5", 1, "1"]),
                st.sampled_from(["i:1", "i:2"]),
            )
        ]
        * 3
    ),
)


@given(BODIES)
def test_it_differs_from_the_live_object_exactly_where_the_servers_dry_run_does(bodies):
    before, theirs, after = bodies
    cluster = EmbeddedCluster(kinds=kinds.known())
    assert isinstance(cluster.apply(before), Done)
    other = cluster.acting_as("kubectl")
    assert isinstance(other.apply(theirs, force=True), Done)
    live = cluster.get(live_object(before).key)
    said = cluster.dry_run(after, force=True)
    assert isinstance(said, Done)
    was: Any = live.body  # nothing, where there was no object
    answered: Any = said.body
    ours = merge_prediction.predict_body(after, live)
    assert settled(comparable(ours)) == settled(comparable(answered))
    assert bool(compare_bodies(was, ours)) == bool(compare_bodies(was, answered))
    cluster.close()


def settled(body, path=()):
    """Without empty maps and lists, which servers drop, and with amounts in one spelling."""
    if isinstance(body, dict):
        inner = {k: settled(v, (*path, k)) for k, v in body.items()}
        return {k: v for k, v in inner.items() if v not in ({}, [])}
    if isinstance(body, list):
        return [settled(v, path) for v in body]
    return amount(body) if path[-2:-1] in (("limits",), ("requests",)) else body


def test_what_is_not_there_is_made_as_it_stands_in_git():
    body = config_map({"a": "1"}, {})
    from reconciler.objects.key import key_of
    from reconciler.objects.observed import absent_object

    assert merge_prediction.predict_body(body, absent_object(key_of(body))) == body


@pytest.mark.parametrize(("live", "desired"), [("01", "1"), ("1", 1)])
def test_only_amounts_have_two_spellings(live, desired):
    one = live_object(config_map({"a": live}, {}))
    made = merge_prediction.predict_body(config_map({"a": desired}, {}), one)
    assert made["data"]["a"] == desired


def test_nothing_of_what_it_is_given_changes():
    cluster = EmbeddedCluster(kinds=kinds.known())
    cluster.apply(config_map({"a": "1", "b": "2"}, {}))
    live = cluster.get(live_object(config_map({}, {})).key)
    kept = copy.deepcopy(live.body)
    assert reconciler.FIELD_MANAGER in str(kept)
    merge_prediction.predict_body(config_map({"a": "3"}, {}), live)
    assert live.body == kept
