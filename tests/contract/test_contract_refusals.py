"""What is refused of an object, as measured: the class, the code and the fields that are named."""

import copy

import pytest

from reconciler.objects.outcome import Done, RefusalCause
from tests.contract.bodies import body, named

POD = ("spec", "template", "spec")
CONTAINERS = (*POD, "containers")
AT = "spec.template.spec.containers[0]"
TYPED = '.spec.template.spec.containers[name="c"]'


def one(**fields):
    return [{"name": "c", "image": "i", **fields}]


#: sentence → kind and name, path, value (... removes), code, fields.
REFUSED = {
    "a label's value with a blank": (
        "ConfigMap cm",
        ("metadata", "labels"),
        {"a": "x y"},
        422,
        ("metadata.labels",),
    ),
    "a label's name with a blank": (
        "ConfigMap cm",
        ("metadata", "labels"),
        {"a b": "x"},
        422,
        ("metadata.labels",),
    ),
    "an annotation's name with a blank": (
        "ConfigMap cm",
        ("metadata", "annotations"),
        {"a b": "x"},
        422,
        ("metadata.annotations",),
    ),
    "a label that is no text": (
        "ConfigMap cm",
        ("metadata", "labels"),
        {"a": True},
        500,
        (".metadata.labels.a",),
    ),
    "data that is no text": ("ConfigMap cm", ("data", "a"), 1, 500, (".data.a",)),
    "a key of data with a slash": ("ConfigMap cm", ("data",), {"a/b": "1"}, 422, ("data[a/b]",)),
    "a secret that is no base64": ("Secret s2", ("data", "a"), "???", 500, ()),
    "replicas below none": ("Deployment d", ("spec", "replicas"), -1, 422, ("spec.replicas",)),
    "half a replica": ("Deployment d", ("spec", "replicas"), 1.5, 500, ()),
    "no spec at all": (
        "Deployment d",
        ("spec",),
        None,
        422,
        ("spec.selector", "spec.template.metadata.labels", "spec.template.spec.containers"),
    ),
    "no selector": (
        "Deployment d",
        ("spec", "selector"),
        ...,
        422,
        ("spec.selector", "spec.template.metadata.labels"),
    ),
    "an empty selector": ("Deployment d", ("spec", "selector"), {}, 422, ("spec.selector",)),
    "no container": ("Deployment d", CONTAINERS, [], 422, ("spec.template.spec.containers",)),
    "no image": ("Deployment d", CONTAINERS, [{"name": "c"}], 422, (f"{AT}.image",)),
    "a container's name with an underscore": (
        "Deployment d",
        CONTAINERS,
        [{"name": "c_", "image": "i"}],
        422,
        (f"{AT}.name",),
    ),
    "two containers of one name": (
        "Deployment d",
        CONTAINERS,
        one() + one(),
        500,
        (".spec.template.spec.containers",),
    ),
    "a mount of no volume": (
        "Deployment d",
        CONTAINERS,
        one(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        422,
        (f"{AT}.volumeMounts[0].name",),
    ),
    "an amount that is none": (
        "Deployment d",
        CONTAINERS,
        one(resources={"requests": {"cpu": "abc"}}),
        500,
        (),
    ),
    "a request above its limit": (
        "Deployment d",
        CONTAINERS,
        one(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        422,
        (f"{AT}.resources.requests",),
    ),
    "a GPU without a limit": (
        "Deployment d",
        CONTAINERS,
        one(resources={"requests": {"nvidia.com/gpu": "1"}}),
        422,
        (f"{AT}.resources.limits",),
    ),
    "a variable twice": (
        "Deployment d",
        CONTAINERS,
        one(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        500,
        (f"{TYPED}.env",),
    ),
    "a variable that is no text": (
        "Deployment d",
        CONTAINERS,
        one(env=[{"name": "A", "value": 1}]),
        500,
        (f'{TYPED}.env[name="A"].value',),
    ),
    "a port beyond all ports": (
        "Deployment d",
        CONTAINERS,
        one(ports=[{"containerPort": 70000}]),
        422,
        (f"{AT}.ports[0].containerPort",),
    ),
    "a probe of no port": (
        "Deployment d",
        CONTAINERS,
        one(readinessProbe={"httpGet": {"port": 0}}),
        422,
        (f"{AT}.readinessProbe.httpGet.port",),
    ),
    "a Deployment that does not restart": (
        "Deployment d",
        (*POD, "restartPolicy"),
        "Never",
        422,
        ("spec.template.spec.restartPolicy",),
    ),
    "a service account that cannot be": (
        "Deployment d",
        (*POD, "serviceAccountName"),
        "A_B",
        422,
        ("spec.template.spec.serviceAccountName",),
    ),
    "a Job that restarts for ever": (
        "Job j",
        (*POD, "restartPolicy"),
        "Always",
        422,
        ("spec.template.spec.restartPolicy",),
    ),
    "a Job's retries below none": (
        "Job j",
        ("spec", "backoffLimit"),
        -1,
        422,
        ("spec.backoffLimit",),
    ),
    "a CronJob's name that leaves no room": (
        "CronJob cj",
        ("metadata", "name"),
        "c" * 53,
        422,
        ("metadata.name",),
    ),
    "a minute that no hour has": (
        "CronJob cj",
        ("spec", "schedule"),
        "61 * * * *",
        422,
        ("spec.schedule",),
    ),
    "a zone that is nowhere": (
        "CronJob cj",
        ("spec", "timeZone"),
        "Nowhere/X",
        422,
        ("spec.timeZone",),
    ),
    "a concurrency policy that is none": (
        "CronJob cj",
        ("spec", "concurrencyPolicy"),
        "Maybe",
        422,
        ("spec.concurrencyPolicy",),
    ),
    "a Service without ports": ("Service svc", ("spec", "ports"), ..., 422, ("spec.ports",)),
    "a Service's port without a name beside another": (
        "Service svc",
        ("spec", "ports"),
        [{"port": 80}, {"port": 81}],
        422,
        ("spec.ports[0].name", "spec.ports[1].name"),
    ),
    "a claim for no room": (
        "PersistentVolumeClaim p",
        ("spec", "resources"),
        ...,
        422,
        ("spec.resources[storage]",),
    ),
    "a claim without a mode": (
        "PersistentVolumeClaim p",
        ("spec", "accessModes"),
        ...,
        422,
        ("spec.accessModes",),
    ),
    "a quota below none": (
        "ResourceQuota q",
        ("spec", "hard"),
        {"pods": "-1"},
        422,
        ("spec.hard[pods]",),
    ),
    "a role that may nothing": (
        "Role r",
        ("rules", 0, "verbs"),
        [],
        422,
        ("rules[0].verbs",),
    ),
    "two bounds of one budget": (
        "PodDisruptionBudget pdb",
        ("spec", "maxUnavailable"),
        1,
        422,
        ("spec",),
    ),
}
#: sentence → kind and name, path, value, class, fields.
FIXED = {
    "a Job's completions": (
        "Job j",
        ("spec", "completions"),
        5,
        RefusalCause.IMMUTABLE,
        ("spec.completions",),
    ),
    "a Job's completion mode": (
        "Job j",
        ("spec", "completionMode"),
        "Indexed",
        RefusalCause.IMMUTABLE,
        ("spec.completionMode",),
    ),
    "a secret's type": ("Secret s2", ("type",), "a/b", RefusalCause.IMMUTABLE, ("type",)),
    "a claim's modes": (
        "PersistentVolumeClaim p",
        ("spec", "accessModes"),
        ["ReadOnlyMany"],
        RefusalCause.IMMUTABLE,
        ("spec",),
    ),
    "the size of a claim that is not bound": (
        "PersistentVolumeClaim p",
        ("spec", "resources", "requests", "storage"),
        "2048Gi",
        RefusalCause.IMMUTABLE,
        ("spec",),
    ),
    # These three do not say that the field is immutable: nothing is made anew because of them.
    "what a binding binds": (
        "RoleBinding rb",
        ("roleRef", "name"),
        "other",
        RefusalCause.INVALID,
        ("roleRef",),
    ),
    "a Service's address": (
        "Service svc",
        ("spec", "clusterIP"),
        "10.0.0.1",  # taken by the API server's own Service, so never this one's
        RefusalCause.INVALID,
        ("spec.clusterIPs[0]",),
    ),
    "a StatefulSet's service": (
        "StatefulSet ss",
        ("spec", "serviceName"),
        "other",
        RefusalCause.INVALID,
        ("spec",),
    ),
}


def taken(which, namespace):
    found = copy.deepcopy(named(*which.split()))
    found["metadata"]["namespace"] = namespace
    return found


def changed(found, path, value):
    found = copy.deepcopy(found)
    node = found
    for step in path[:-1]:
        node = node[step]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return found


@pytest.mark.parametrize("case", REFUSED)
def test_an_apply_is_refused_for(cluster, namespace, case):
    which, path, value, code, fields = REFUSED[case]
    good = taken(which, namespace)
    outcome = cluster.apply(changed(good, path, value))
    assert (outcome.refusal, outcome.code, outcome.fields) == (RefusalCause.INVALID, code, fields)
    assert isinstance(cluster.apply(good), Done)


@pytest.mark.parametrize("case", FIXED)
def test_an_update_may_not_change(cluster, namespace, case):
    which, path, value, refusal, fields = FIXED[case]
    good = taken(which, namespace)
    cluster.apply(good)
    outcome = cluster.apply(changed(good, path, value))
    assert (outcome.refusal, outcome.code, outcome.fields) == (refusal, 422, fields)


def test_a_claim_without_a_class_may_be_given_one(cluster, namespace):
    good = taken("PersistentVolumeClaim p", namespace)
    cluster.apply(good)
    outcome = cluster.apply(changed(good, ("spec", "storageClassName"), "fast"))
    assert isinstance(outcome, Done)


@pytest.mark.parametrize(("field", "value"), [("replicass", 3), ("replicas", "three")])
def test_a_post_of_an_unknown_field_or_a_wrong_type_is_a_bad_request(
    cluster, namespace, field, value
):
    outcome = cluster.create(changed(taken("Deployment d", namespace), ("spec", field), value))
    assert (outcome.refusal, outcome.code) == (RefusalCause.INVALID, 400)


@pytest.mark.parametrize("name", ["Bad_", "a" * 64])
def test_a_namespaces_name_is_also_a_labels_value(cluster, name):
    outcome = cluster.apply(body("v1", "Namespace", name, None))
    assert (outcome.refusal, outcome.code) == (RefusalCause.INVALID, 422)
    assert outcome.fields == ("metadata.name", "metadata.labels")


def test_a_body_that_makes_no_address_is_not_sent(cluster, namespace):
    for wrong in (
        body("v1", "ConfigMap", "homeless", None),
        body("v1", "Namespace", "housed", namespace),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace}},
    ):
        assert cluster.apply(wrong).refusal is RefusalCause.INVALID
