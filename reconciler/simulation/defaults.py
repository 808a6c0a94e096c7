"""The defaults that the API server fills in, as far as they could look like drift.

A default has no field owner. Source: pkg/apis/*/v1/defaults.go of Kubernetes, and the defaults in
the CustomResourceDefinition of HTTPRoute.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.objects.quantity import amount
from reconciler.simulation import projects
from reconciler.simulation.object_bodies import default, map_in, maps_in

__all__ = ["fill"]


def fill(kind: GroupKind, body: dict[str, Any]) -> None:
    """Fills in the defaults of a kind, in place. `body` is a private copy."""
    rule = _RULES.get((kind.group, kind.kind)) or projects.defaults().get(kind)
    if rule is not None:
        rule(body)


# -- pods ------------------------------------------------------------------------------------------


def _pod(spec: dict[str, Any]) -> None:
    default(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        terminationGracePeriodSeconds=30,
        securityContext={},
    )
    if spec.get("serviceAccountName"):
        default(spec, serviceAccount=spec["serviceAccountName"])
    for group in ("initContainers", "containers"):
        for container in maps_in(spec, group):
            _container(container)
    for volume in maps_in(spec, "volumes"):
        _volume(volume)


def _volume(volume: dict[str, Any]) -> None:
    for name in ("configMap", "secret", "projected", "downwardAPI"):
        if isinstance(volume.get(name), dict):
            default(volume[name], defaultMode=420)
    if isinstance(volume.get("hostPath"), dict):
        default(volume["hostPath"], type="")
    _field_references(volume.get("downwardAPI"))
    projected = volume.get("projected")
    for source in maps_in(projected, "sources") if isinstance(projected, dict) else ():
        _field_references(source.get("downwardAPI"))
        if isinstance(source.get("serviceAccountToken"), dict):
            default(source["serviceAccountToken"], expirationSeconds=3600)


def _field_references(files: Any) -> None:
    for item in maps_in(files, "items") if isinstance(files, dict) else ():
        if isinstance(item.get("fieldRef"), dict):
            default(item["fieldRef"], apiVersion="v1")


def _whole_pod(body: dict[str, Any]) -> None:
    """The defaults of a Pod that a pod template does not get: a limit becomes the missing request,
    and admission adds a priority and tolerations of an unready node."""
    spec = map_in(body, "spec")
    _pod(spec)
    default(spec, enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)
    for group in ("initContainers", "containers"):
        for container in maps_in(spec, group):
            resources = container["resources"]
            if resources.get("limits"):
                given = resources.get("requests") or {}
                resources["requests"] = {**resources["limits"], **given}
    tolerations = spec.setdefault("tolerations", [])
    for taint in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(taint == one.get("key") for one in tolerations):
            tolerations.append(
                {
                    "effect": "NoExecute",
                    "key": taint,
                    "operator": "Exists",
                    "tolerationSeconds": 300,
                }
            )
    default(map_in(body, "status"), phase="Pending", qosClass=_qos_class(spec))


def _qos_class(spec: dict[str, Any]) -> str:
    resources = [c["resources"] for g in ("initContainers", "containers") for c in maps_in(spec, g)]
    if not any(one.get("limits") or one.get("requests") for one in resources):
        return "BestEffort"
    names = {"cpu", "memory"}
    is_guaranteed = all(
        names <= set(one.get("limits") or ()) and one.get("limits") == one.get("requests")
        for one in resources
    )
    return "Guaranteed" if is_guaranteed else "Burstable"


def _container(container: dict[str, Any]) -> None:
    image = str(container.get("image", ""))
    last = image.rpartition("/")[2]
    is_floating = "@" not in image and (":" not in last or last.endswith(":latest"))
    default(
        container,
        imagePullPolicy="Always" if is_floating else "IfNotPresent",
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
    )
    for part in ("limits", "requests"):
        _amounts(container["resources"], part)
    for port in maps_in(container, "ports"):
        default(port, protocol="TCP")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _probe(container[probe])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and isinstance(hook.get("httpGet"), dict):
            default(hook["httpGet"], path="/", scheme="HTTP")
    for variable in maps_in(container, "env"):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(reference, dict):
            default(reference, apiVersion="v1")


def _probe(probe: dict[str, Any]) -> None:
    default(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if isinstance(probe.get("httpGet"), dict):
        default(probe["httpGet"], path="/", scheme="HTTP")
    if isinstance(probe.get("grpc"), dict):
        default(probe["grpc"], service="")


def _amounts(node: dict[str, Any], name: str) -> None:
    """Writes quantities in their canonical form, as the server returns them in typed objects."""
    if isinstance(node.get(name), dict):
        node[name] = {key: _canonical(text) for key, text in node[name].items()}


def _canonical(text: Any) -> Any:
    try:
        value = amount(text)
    except ValueError:
        return text
    text_form = str(text)
    if text_form.endswith("i"):
        for suffix, size in (
            ("Ei", 60),
            ("Pi", 50),
            ("Ti", 40),
            ("Gi", 30),
            ("Mi", 20),
            ("Ki", 10),
        ):
            if value and value % 2**size == 0:
                return f"{int(value / 2**size)}{suffix}"
        return str(int(value))
    if value != value.to_integral_value():
        thousandths = value * 1000
        exact = thousandths == thousandths.to_integral_value()
        return f"{int(thousandths)}m" if exact else text_form
    whole = int(value)
    for suffix, power in (("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3)):
        if whole and whole % 10**power == 0:
            return f"{whole // 10**power}{suffix}"
    return str(whole)


def _template(owner: dict[str, Any]) -> None:
    template = map_in(owner, "template")
    map_in(template, "metadata")
    _pod(map_in(template, "spec"))


# -- kinds -----------------------------------------------------------------------------------------


def _namespace(body: dict[str, Any]) -> None:
    default(map_in(body, "spec"), finalizers=["kubernetes"])
    default(map_in(body, "status"), phase="Active")
    labels = map_in(body["metadata"], "labels")
    labels["kubernetes.io/metadata.name"] = body["metadata"]["name"]


def _secret(body: dict[str, Any]) -> None:
    default(body, type="Opaque")
    plain = body.pop("stringData", None)
    if plain:
        encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in plain.items()}
        body["data"] = {**(body.get("data") or {}), **encoded}


def _service(body: dict[str, Any]) -> None:
    spec = map_in(body, "spec")
    default(spec, type="ClusterIP", sessionAffinity="None")
    for port in maps_in(spec, "ports"):
        default(port, protocol="TCP")
        default(port, targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        if spec.get("clusterIP") is None:
            seed = f"{body['metadata'].get('namespace')}/{body['metadata']['name']}"
            digest = hashlib.sha256(seed.encode()).digest()
            spec["clusterIP"] = f"10.96.{digest[0]}.{digest[1] % 253 + 1}"
        default(
            spec,
            clusterIPs=[spec["clusterIP"]],
            internalTrafficPolicy="Cluster",
            ipFamilies=["IPv4"],
            ipFamilyPolicy="SingleStack",
        )
    default(map_in(body, "status"), loadBalancer={})


def _deployment(body: dict[str, Any]) -> None:
    spec = map_in(body, "spec")
    _template(spec)
    default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    default(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        default(map_in(strategy, "rollingUpdate"), maxSurge="25%", maxUnavailable="25%")
    map_in(body, "status")


def _statefulset(body: dict[str, Any]) -> None:
    spec = map_in(body, "spec")
    _template(spec)
    default(
        spec,
        replicas=1,
        revisionHistoryLimit=10,
        podManagementPolicy="OrderedReady",
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"},
    )
    for claim in maps_in(spec, "volumeClaimTemplates"):
        default(claim, apiVersion="v1", kind="PersistentVolumeClaim")
        _claim(claim)
    default(map_in(body, "status"), replicas=0, availableReplicas=0)


def _job(body: dict[str, Any]) -> None:
    spec = map_in(body, "spec")
    _job_spec(spec)
    default(spec, manualSelector=False)
    map_in(body, "status")
    uid = body["metadata"].get("uid")
    if uid and not spec.get("manualSelector"):
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        labels = map_in(map_in(spec["template"], "metadata"), "labels")
        name = body["metadata"]["name"]
        default(
            labels,
            **{
                "batch.kubernetes.io/controller-uid": uid,
                "batch.kubernetes.io/job-name": name,
                "controller-uid": uid,
                "job-name": name,
            },
        )
        if not body["metadata"].get("labels"):
            body["metadata"]["labels"] = dict(labels)


def _job_spec(spec: dict[str, Any]) -> None:
    _template(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    default(
        spec,
        parallelism=1,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed",
    )


def _cronjob(body: dict[str, Any]) -> None:
    spec = map_in(body, "spec")
    default(
        spec,
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )
    template = map_in(spec, "jobTemplate")
    map_in(template, "metadata")
    _template(map_in(template, "spec"))
    map_in(body, "status")


def _claim(body: dict[str, Any]) -> None:
    spec = map_in(body, "spec")
    default(spec, volumeMode="Filesystem")
    _amounts(map_in(spec, "resources"), "requests")
    default(map_in(body, "status"), phase="Pending")


def _quota(body: dict[str, Any]) -> None:
    _amounts(map_in(body, "spec"), "hard")
    map_in(body, "status")


def _limits(body: dict[str, Any]) -> None:
    for limit in maps_in(map_in(body, "spec"), "limits"):
        for part in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            _amounts(limit, part)
        if limit.get("type") == "Container":
            default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
            floor = limit.get("min") or {}
            limit["default"] = default
            limit["defaultRequest"] = {**default, **floor, **(limit.get("defaultRequest") or {})}


def _binding(body: dict[str, Any]) -> None:
    for subject in maps_in(body, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            default(subject, apiGroup="rbac.authorization.k8s.io")


def _network_policy(body: dict[str, Any]) -> None:
    spec = map_in(body, "spec")
    default(spec, policyTypes=["Ingress", "Egress"] if "egress" in spec else ["Ingress"])
    for direction in ("ingress", "egress"):
        for rule in maps_in(spec, direction):
            for port in maps_in(rule, "ports"):
                default(port, protocol="TCP")


def _disruption_budget(body: dict[str, Any]) -> None:
    counts = dict.fromkeys(
        ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"), 0
    )
    default(map_in(body, "status"), **counts)


def _autoscaler(body: dict[str, Any]) -> None:
    target = {"type": "Utilization", "averageUtilization": 80}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    default(map_in(body, "spec"), minReplicas=1, metrics=metrics)
    status = map_in(body, "status")
    default(status, desiredReplicas=0)
    status.setdefault("currentMetrics", None)


def _admission_policy(body: dict[str, Any]) -> None:
    spec = map_in(body, "spec")
    default(spec, failurePolicy="Fail")
    if isinstance(spec.get("matchConstraints"), dict):
        _match_resources(spec["matchConstraints"])
    map_in(body, "status")


def _admission_binding(body: dict[str, Any]) -> None:
    spec = map_in(body, "spec")
    if isinstance(spec.get("matchResources"), dict):
        _match_resources(spec["matchResources"])


def _match_resources(node: dict[str, Any]) -> None:
    default(node, matchPolicy="Equivalent", namespaceSelector={}, objectSelector={})
    for rules in ("resourceRules", "excludeResourceRules"):
        for rule in maps_in(node, rules):
            default(rule, scope="*")


_RULES: dict[tuple[str, str], Callable[[dict[str, Any]], None]] = {
    ("", "Namespace"): _namespace,
    ("", "Secret"): _secret,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "ResourceQuota"): _quota,
    ("", "LimitRange"): _limits,
    ("", "Pod"): _whole_pod,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _statefulset,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cronjob,
    ("rbac.authorization.k8s.io", "RoleBinding"): _binding,
    ("networking.k8s.io", "NetworkPolicy"): _network_policy,
    ("networking.k8s.io", "Ingress"): lambda body: default(map_in(body, "status"), loadBalancer={}),
    ("policy", "PodDisruptionBudget"): _disruption_budget,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): _admission_policy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): _admission_binding,
}
