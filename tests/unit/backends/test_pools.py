"""Where GPUs come from: the pool says what a GPU is, and a device with a name needs no pool."""

from reconciler.backends import pod
from reconciler.backends.pools import check_pools
from reconciler.origin import plain
from tests.support import loaded, small


def app(own, group=""):
    files = {"environments/prod/one/web.yaml": own}
    if group:
        files["environments/prod/one/group.yaml"] = group
    (found,) = loaded(small().but(files)).apps
    return found


def test_a_device_that_is_asked_for_by_its_name_needs_no_pool():
    found = app("serving: {resources: {limits: {nvidia.com/mig-1g.5gb: 1, rdma/hca: 2}}}\n")
    assert list(check_pools(found)) == []


def test_an_app_that_does_not_serve_here_needs_no_pool_for_its_gpus():
    other = {
        "environments/prod/two/group.yaml": "group: {namespace: ml-two, pools: {a: {gpuResource: x.example/gpu}}}\n",
        "environments/prod/two/web.yaml": "serving: {pool: a}\n",
        "environments/prod/one/web.yaml": "",
        "models/web/model.yaml": (
            "model: {type: vision, owner: web}\n"
            "serving: {image: registry.example/web:1, runIn: [prod/two], resources: {gpu: 1}}\n"
        ),
    }
    fleet = loaded(small().but(other))
    assert [str(one.id) for one in fleet.apps] == ["prod/one/web", "prod/two/web"]
    assert fleet.errors == ()


def test_no_gpu_needs_no_pool():
    assert list(check_pools(app("serving: {resources: {gpu: 0}}\n"))) == []


def test_a_device_or_huge_pages_given_once_are_drawn_as_request_and_limit():
    own = """\
serving:
  resources:
    requests: {rdma/hca: 1, ephemeral-storage: 1Gi}
    limits: {hugepages-2Mi: 64Mi, nvidia.com/mig-1g.5gb: "2"}
"""
    found = app(own)
    assert plain(pod.resources(found.spec.serving.resources)) == {
        "requests": {
            "cpu": "1",
            "memory": "1Gi",
            "rdma/hca": "1",
            "ephemeral-storage": "1Gi",
            "hugepages-2Mi": "64Mi",
            "nvidia.com/mig-1g.5gb": "2",
        },
        "limits": {
            "cpu": "1",
            "memory": "1Gi",
            "rdma/hca": "1",
            "hugepages-2Mi": "64Mi",
            "nvidia.com/mig-1g.5gb": "2",
        },
    }


def test_a_request_below_its_limit_is_drawn_as_it_is_written():
    own = """\
serving:
  resources:
    cpu: null
    memory: null
    requests: {cpu: 500m}
    limits: {cpu: 2, memory: 1Gi}
"""
    drawn = plain(pod.resources(app(own).spec.serving.resources))
    assert drawn == {"requests": {"cpu": "500m"}, "limits": {"cpu": "2", "memory": "1Gi"}}
