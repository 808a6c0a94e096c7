"""Sizes of containers: what Kubernetes takes is not refused, whatever the spelling."""

import pytest

from reconciler.apps.sizes import check_extended, check_resources
from reconciler.origin import built_in
from reconciler.spec.workload import Resources


def told(requests=None, limits=None, **short):
    def values(given):
        return {name: built_in(size) for name, size in (given or {}).items()}

    block = Resources(requests=values(requests), limits=values(limits), **values(short))
    return [d.code for d in check_resources(block, "serving.resources")]


@pytest.mark.parametrize(
    ("requests", "limits"),
    [
        ({"cpu": "1000m"}, {"cpu": 1}),
        ({"rdma/hca": "1"}, {"rdma/hca": "1000m"}),
        ({"memory": "1024Mi"}, {"memory": "1Gi"}),
        ({"cpu": 1, "hugepages-1Gi": "2Gi"}, {}),
        ({"example.com/a.b_c-D": 0}, {}),
        ({"ephemeral-storage": "5Gi"}, {"ephemeral-storage": "5Gi"}),
        ({"node.kubernetes.io/something": "0.5"}, {"node.kubernetes.io/something": "0.7"}),
    ],
)
def test_what_kubernetes_takes_is_not_refused(requests, limits):
    assert told(requests, limits) == []


@pytest.mark.parametrize(
    "name", ["", "cpus", "requests.cpu", "storage", "pods", "hugepages-", "hugepages-0"]
)
def test_a_name_without_a_domain_is_one_of_kubernetes_own(name):
    assert told(limits={name: 1}) == ["E_UNKNOWN_KEY"]


@pytest.mark.parametrize(
    "name", ["/gpu", "a/", "a/b/c", "A.com/gpu", f"{'a' * 245}/b", f"a/{'b' * 64}"]
)
def test_a_name_with_a_domain_is_spelt_as_kubernetes_wants(name):
    assert "E_NAME" in told(limits={name: 1})


@pytest.mark.parametrize("block", ["requests", "limits"])
@pytest.mark.parametrize("name", ["cpu", "memory"])
def test_a_short_form_and_a_long_form_exclude_each_other(block, name):
    assert told(**{block: {name: "1Gi"}, name: "1Gi"}) == ["E_EXCLUDES"]


@pytest.mark.parametrize("name", ["gpu", "cpu", "requests.nvidia.com/gpu", "x.kubernetes.io/gpu"])
def test_a_pools_gpu_is_an_extended_resource(name):
    assert [d.code for d in check_extended(built_in(name), "p")] == ["E_NAME"]
