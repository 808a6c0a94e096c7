"""Several ports of one server: in the container, in the Service, and for the route."""

import pytest

from reconciler.origin import plain
from tests.support import drawn, loaded, record, small

PORTS = "ports: [{name: grpc, port: 9000}, {name: stats, port: 8125, protocol: UDP}]"
SHOWN = [
    {"name": "grpc", "containerPort": 9000, "protocol": "TCP"},
    {"name": "stats", "containerPort": 8125, "protocol": "UDP"},
]


def objects(own, more=None):
    files = {
        f"models/web/versions/{v}.yaml": record(v) + f"modelVersion: web-{v}\n"
        for v in ("v1", "v2")
    }
    tree = small().but({**files, "environments/prod/one/web.yaml": own, **(more or {})})
    assert loaded(tree).errors == ()
    found = drawn(tree)
    return {key.kind: plain(draft.tree) for (unit, key), draft in found.items() if "web" in unit}


def test_a_service_keeps_the_names_and_numbers_of_the_ports_behind_the_first():
    found = objects(f"serving: {{port: 8500, {PORTS}}}\n")
    server = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert server["ports"] == [{"name": "http", "containerPort": 8500}, *SHOWN]
    assert found["Service"]["spec"]["ports"] == [
        {"name": "http", "port": 80, "targetPort": 8500, "protocol": "TCP"},
        {"name": "grpc", "port": 9000, "targetPort": 9000, "protocol": "TCP"},
        {"name": "stats", "port": 8125, "targetPort": 8125, "protocol": "UDP"},
    ]


def test_the_route_stays_on_the_first_port():
    found = objects(f"serving: {{router: gateway-api, gateway: {{name: a}}, {PORTS}}}\n")
    (rule,) = found["HTTPRoute"]["spec"]["rules"]
    assert [backend["port"] for backend in rule["backendRefs"]] == [80]


def test_kserve_gets_the_first_port_first_and_each_with_a_name():
    found = objects(f"serving: {{backend: kserve, framework: onnx, port: 8500, {PORTS}}}\n")
    ports = found["InferenceService"]["spec"]["predictor"]["model"]["ports"]
    assert ports == [{"name": "http", "containerPort": 8500, "protocol": "TCP"}, *SHOWN]


def test_kserve_gets_one_port_as_before():
    found = objects("serving: {backend: kserve, framework: onnx, port: 8500}\n")
    ports = found["InferenceService"]["spec"]["predictor"]["model"]["ports"]
    assert ports == [{"containerPort": 8500, "protocol": "TCP"}]


def test_a_kubedl_server_has_every_port():
    found = objects(
        "serving: {backend: kubedl, kubedl: {modelPath: /m/1}, ports: [{name: grpc, port: 9000}]}\n"
    )
    (predictor,) = found["Inference"]["spec"]["predictors"]
    assert predictor["template"]["spec"]["containers"][0]["ports"] == [
        {"name": "http", "containerPort": 8080},
        SHOWN[0],
    ]


@pytest.mark.parametrize("first", ["{containerPort: 9000, name: a}", "{containerPort: 7, name: z}"])
def test_an_overlays_ports_stand_behind_those_of_serving(first):
    overlay = f"pod: {{container: {{ports: [{first}]}}}}"
    found = objects(
        f"serving: {{backend: kserve, framework: onnx, port: 8500, {PORTS}, {overlay}}}\n"
    )
    ports = found["InferenceService"]["spec"]["predictor"]["model"]["ports"]
    assert [port["containerPort"] for port in ports][:3] == [8500, 9000, 8125]


def test_one_number_may_have_a_port_of_each_protocol():
    own = "serving: {ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]}\n"
    server = objects(own)["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert [port["name"] for port in server["ports"]] == ["http", "a", "b"]
