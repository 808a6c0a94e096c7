"""The class that Kubernetes gives a pod, by its own table of cases."""

import pytest

from reconciler.objects.qos import QosClass, list_pods, qos_class

ONE = {"cpu": "1", "memory": "1Gi"}


def pod(*sizes, init=(), **more):
    def listed(blocks):
        return [
            {
                "name": str(n),
                "resources": {k: v for k, v in zip(("requests", "limits"), one, strict=True) if v},
            }
            for n, one in enumerate(blocks)
        ]

    return {"containers": listed(sizes), "initContainers": listed(init), **more}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (pod((ONE, ONE)), "Guaranteed"),
        (pod((None, ONE)), "Guaranteed"),
        (pod((ONE, ONE), (ONE, ONE)), "Guaranteed"),
        (pod(({"cpu": "1000m", "memory": "1Gi"}, {"cpu": 1, "memory": "1024Mi"})), "Guaranteed"),
        (pod((ONE, ONE), init=[(ONE, ONE)]), "Guaranteed"),
        (pod((ONE, None)), "Burstable"),
        (pod((ONE, ONE), (None, None)), "Burstable"),
        (pod((ONE, ONE), init=[(None, None)]), "Burstable"),
        (pod(({"cpu": "1"}, {"cpu": "1"})), "Burstable"),
        (pod(({"cpu": "500m", "memory": "1Gi"}, ONE)), "Burstable"),
        (pod(({"memory": "1Gi"}, {"memory": "1Gi"}), ({"cpu": "1"}, {"cpu": "1"})), "Burstable"),
        (pod((None, None)), "BestEffort"),
        (pod(({"cpu": "0"}, {"memory": 0})), "BestEffort"),
        (pod(({"rdma/hca": "1"}, {"rdma/hca": "1"})), "BestEffort"),
        (pod((None, {"ephemeral-storage": "1Gi"})), "BestEffort"),
        (pod((None, None), resources={"requests": ONE, "limits": ONE}), "Guaranteed"),
        (pod((ONE, ONE), resources={"limits": {"cpu": "2"}}), "Burstable"),
        (pod((None, None), resources={"claims": []}), "BestEffort"),
    ],
)
def test_a_pod_has_the_class_of_kubernetes(spec, wanted):
    assert qos_class(spec) == QosClass(wanted)


def test_a_model_of_kserve_is_a_container_and_without_a_size_its_class_is_not_known():
    model = {"modelFormat": {"name": "onnx"}}
    assert qos_class({"model": model}) is None
    sized = {**model, "resources": {"requests": ONE, "limits": ONE}}
    assert qos_class({"model": sized}) == QosClass.GUARANTEED
    assert qos_class({"model": sized, "containers": [{"name": "a"}]}) == QosClass.BURSTABLE


def test_pods_are_found_in_templates_predictors_and_texts():
    first, second, third = pod((ONE, ONE)), {"model": {"modelFormat": {}}}, pod((None, None))
    text = '{"spec": {"template": {"spec": {"containers": [{"name": "t"}]}}}}'
    body = {"spec": {"a": {"spec": first}, "predictor": second, "list": [{"value": text}, third]}}
    assert list(list_pods(body)) == [first, second, {"containers": [{"name": "t"}]}, third]
    assert list(list_pods({"value": "{{not json", "model": "text"})) == []
