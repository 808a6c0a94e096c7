"""How requests behave when the API server does not: a stub on a loopback port answers by script."""

import http.server
import json
import logging
import threading
from typing import Any

import pytest

from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.adapters.kubernetes.failures import explain_failure
from reconciler.adapters.kubernetes.transport import Access, Allows, HttpAnswer, NoAnswer, Transport
from reconciler.errors import UsageMistake
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.outcome import Done, RefusalCause, Refused, Unknown
from reconciler.ports import ClusterUnreadable
from reconciler.wiring import clusters
from reconciler.wiring.common import CommonOptions
from tests import needs

pytestmark = needs.kubernetes

TOKEN = "s3cret-token"
CONFIG = GroupKind("", "ConfigMap")
BODY: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c", "namespace": "n"},
}
HANG_UP = object()


class Stub:
    """Answers in the order of `script`, the last for ever; `asked` has method, path and headers."""

    def __init__(self):
        self.script = []
        self.asked = []
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                stub.asked.append((self.command, self.path, dict(self.headers)))
                reply = stub.script.pop(0) if len(stub.script) > 1 else stub.script[0]
                if reply is HANG_UP:
                    self.close_connection = True
                    return
                status, data, headers = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def reply(status, body=None, **headers):
    return (
        status,
        json.dumps(body or {}).encode(),
        {k.replace("_", "-"): v for k, v in headers.items()},
    )


def discovered():
    resource = {
        "resource": "configmaps",
        "responseKind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "scope": "Namespaced",
        "verbs": ["get"],
    }
    core = {"metadata": {}, "versions": [{"version": "v1", "resources": [resource]}]}
    kind = {"kind": "APIGroupDiscoveryList"}
    return [reply(200, {**kind, "items": [core]}), reply(200, {**kind, "items": []})]


@pytest.fixture
def stub():
    made = Stub()
    yield made
    made.close()


@pytest.fixture
def kubeconfig(stub, tmp_path):
    path = tmp_path / "config"
    body = {
        "clusters": [{"name": "c", "cluster": {"server": stub.url}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(body))
    return path


@pytest.fixture
def slept():
    return []


@pytest.fixture
def transport(kubeconfig, slept):
    made = Transport(Access(str(kubeconfig), allows=Allows.WRITES, read=5.0), slept.append)
    yield made
    made.close()


@pytest.fixture
def cluster(stub, transport):
    stub.script = discovered()
    made = KubernetesCluster(transport, "stub")
    made.discover()
    stub.asked.clear()
    return made


def test_what_is_refused_for_now_is_sent_again_when_the_server_says(stub, cluster, slept):
    done = reply(201, {**BODY, "metadata": {**BODY["metadata"], "resourceVersion": "1"}})
    stub.script = [reply(429, Retry_After="7"), reply(429, Retry_After="2"), done]
    assert cluster.apply(BODY).verb == "created"
    assert slept == [7.0, 2.0]
    assert len(stub.asked) == 3


def test_patience_ends_and_the_refusal_says_for_how_long(stub, cluster, slept):
    stub.script = [reply(429, Retry_After="40")]
    outcome = cluster.apply(BODY)
    assert (outcome.refusal, outcome.retry_after) == (RefusalCause.TOO_MANY, 40.0)
    assert sum(slept) <= 60


@pytest.mark.parametrize("write", ["apply", "create", "replace"])
def test_a_write_without_an_answer_is_unknown_and_never_sent_again(stub, cluster, write):
    stub.script = [HANG_UP]
    assert isinstance(getattr(cluster, write)(BODY), Unknown)
    assert len(stub.asked) == 1


def test_a_delete_without_an_answer_is_unknown_and_never_sent_again(stub, cluster):
    stub.script = [HANG_UP]
    assert isinstance(cluster.delete(ObjectKey("", "ConfigMap", "n", "c"), uid="u"), Unknown)
    assert len(stub.asked) == 1


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_servers_own_failure_leaves_a_write_unknown(stub, cluster, code):
    more = {} if code == 503 else {"Retry_After": "1"}
    stub.script = [reply(code, {"kind": "Status", "message": "etcd is away"}, **more)]
    assert isinstance(cluster.apply(BODY), Unknown)
    assert len(stub.asked) == 1


def test_a_write_that_the_server_puts_off_is_sent_again_within_the_patience(stub, cluster, slept):
    put_off = reply(503, {"kind": "Status", "message": "shutting down"}, Retry_After="7")
    stub.script = [put_off, put_off, reply(404, {"kind": "Status", "details": {"kind": "x"}})]
    cluster.apply(BODY)
    assert (len(stub.asked), slept) == (3, [7.0, 7.0])
    stub.script = [put_off]
    assert isinstance(cluster.apply(BODY), Unknown)
    assert sum(slept) <= 14 + 60


@pytest.mark.parametrize("code", [429, 503])
def test_the_deadline_bounds_the_waits_for_a_server_under_load(stub, kubeconfig, code):
    slept = []
    now = [10.0]

    def sleep(seconds):
        slept.append(seconds)
        now[0] -= seconds

    transport = Transport(
        Access(str(kubeconfig), allows=Allows.WRITES), sleep, left=lambda: max(0.0, now[0])
    )
    stub.script = [reply(code, {"kind": "Status", "message": "busy"}, Retry_After="1")]
    for number in range(20):
        path = f"/api/v1/namespaces/n{number}/configmaps/c"
        assert transport.request("PATCH", path, body=b"{}").status == code
    assert sum(slept) <= 10.0


def test_the_deadline_bounds_the_waits_of_the_client_of_leases(stub, kubeconfig):
    slept = []
    now = [10.0]

    def sleep(seconds):
        slept.append(seconds)
        now[0] -= seconds

    stub.script = [reply(429, {"kind": "Status", "message": "busy"}, Retry_After="1")]
    common = CommonOptions(kubeconfig=str(kubeconfig))
    with clusters.lease_client(common, sleep=sleep, left=lambda: max(0.0, now[0])) as client:
        for number in range(20):
            outcome = client.create(
                {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": "c", "namespace": f"n{number}"},
                }
            )
            assert not isinstance(outcome, Done)
    assert 0 < sum(slept) <= 10.0


def test_one_throttled_namespace_does_not_hold_up_the_others(stub, kubeconfig):
    slept = []
    transport = Transport(Access(str(kubeconfig), allows=Allows.WRITES), slept.append)
    busy = reply(429, {"kind": "Status"}, Retry_After="20")
    stub.script = [busy]
    for _ in range(10):
        transport.request("PATCH", "/api/v1/namespaces/one/configmaps/c", body=b"{}")
    assert sum(slept) <= 60.0  # the first waits, the others do not
    before = len(slept)
    stub.script = [busy, reply(200, {})]
    assert transport.request("PATCH", "/api/v1/namespaces/two/c/c", body=b"{}").status == 200
    assert len(slept) == before + 1


def test_a_read_without_an_answer_is_sent_again(stub, cluster):
    stub.script = [HANG_UP, reply(503), reply(404, {"kind": "Status", "details": {"kind": "x"}})]
    assert not cluster.get(ObjectKey("", "ConfigMap", "n", "c")).is_present
    assert len(stub.asked) == 3


def test_a_read_that_stays_without_an_answer_is_not_an_absent_object(stub, cluster):
    stub.script = [HANG_UP]
    with pytest.raises(ClusterUnreadable):
        cluster.get(ObjectKey("", "ConfigMap", "n", "c"))
    stub.script = [reply(403, {"kind": "Status", "message": "forbidden"})]
    with pytest.raises(ClusterUnreadable):
        cluster.get(ObjectKey("", "ConfigMap", "n", "c"))


def test_a_list_is_read_to_its_last_page_and_sorted(stub, cluster):
    def page(name, token):
        meta = {"name": name, "namespace": "n"}
        return reply(200, {"metadata": {"continue": token}, "items": [{"metadata": meta}]})

    stub.script = [page("b", "more"), page("a", "")]
    listing = cluster.list(CONFIG, "n", {"b": "2", "a": "1"})
    assert [item.key.name for item in listing.items] == ["a", "b"]
    assert listing.items[0].body["kind"] == "ConfigMap"
    paths = [path for _, path, _ in stub.asked]
    assert paths[0] == "/api/v1/namespaces/n/configmaps?labelSelector=a%3D1%2Cb%3D2&limit=500"
    assert paths[1].endswith("&continue=more")


def test_a_list_that_expires_on_the_way_is_read_again_in_one_piece(stub, cluster):
    meta = {"name": "a", "namespace": "n"}
    first = reply(200, {"metadata": {"continue": "old"}, "items": [{"metadata": meta}]})
    whole = reply(200, {"items": [{"metadata": meta}]})
    stub.script = [first, reply(410, {"kind": "Status", "reason": "Expired"}), whole]
    assert len(cluster.list(CONFIG, "n").items) == 1
    assert stub.asked[-1][1] == "/api/v1/namespaces/n/configmaps"


def test_an_apply_is_strict_and_names_its_manager(stub, cluster):
    stub.script = [reply(400, {"kind": "Status", "message": "no"})]
    cluster.dry_run(BODY, force=True)
    method, path, headers = stub.asked[0]
    assert method == "PATCH"
    assert path == (
        "/api/v1/namespaces/n/configmaps/c?fieldManager=reconciler&fieldValidation=Strict"
        "&force=true&dryRun=All"
    )
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert headers["User-Agent"].startswith("ml-reconciler/")


def test_every_warning_of_the_server_is_handed_on(stub, cluster):
    done = {**BODY, "metadata": {**BODY["metadata"], "resourceVersion": "1"}}
    text = '299 - "say \\"please\\"", 299 - "and thanks"'
    stub.script = [reply(200, done, Warning=text)]
    assert cluster.apply(BODY).warnings == ('say "please"', "and thanks")


def test_a_name_cannot_leave_its_place_in_the_path(stub, cluster):
    stub.script = [reply(404, {"kind": "Status", "details": {"kind": "configmaps"}})]
    cluster.get(ObjectKey("", "ConfigMap", "n", "../../secrets/x?y#z"))
    assert stub.asked[0][1] == "/api/v1/namespaces/n/configmaps/..%2F..%2Fsecrets%2Fx%3Fy%23z"


def test_what_is_served_is_asked_for_by_its_etag(stub, transport):
    core, groups = discovered()
    stub.script = [(*core[:2], {"ETag": '"1"'}), (*groups[:2], {"ETag": '"2"'}), reply(304)]
    cluster = KubernetesCluster(transport, "stub")
    first = cluster.discover()
    assert cluster.discover() == first
    assert [headers.get("If-None-Match") for _, _, headers in stub.asked] == [
        None,
        None,
        '"1"',
        '"2"',
    ]


def test_a_group_that_could_not_be_discovered_is_not_an_unserved_kind(stub, transport):
    version = {"version": "v1", "resources": [], "freshness": "Stale"}
    group = {"metadata": {"name": "metrics.example"}, "versions": [version]}
    core, _ = discovered()
    stub.script = [core, reply(200, {"kind": "APIGroupDiscoveryList", "items": [group]})]
    cluster = KubernetesCluster(transport, "stub")
    assert cluster.discover().unread_groups == {"metrics.example"}
    with pytest.raises(ClusterUnreadable):
        cluster.list(GroupKind("metrics.example", "Thing"))
    assert cluster.list(GroupKind("other.example", "Thing")).items == ()


# -- credentials -----------------------------------------------------------------------------------


def test_a_token_is_sent_and_never_logged(stub, transport, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    stub.script = [reply(200)]
    transport.request("GET", "/api")
    assert stub.asked[0][2]["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in caplog.text
    assert TOKEN not in "".join(capfd.readouterr())


def test_no_failure_shows_the_token(kubeconfig, slept):
    kubeconfig.write_text(
        kubeconfig.read_text().replace("http://127.0.0.1:", "http://127.0.0.1:1/")
    )
    transport = Transport(Access(str(kubeconfig), allows=Allows.WRITES), slept.append)
    with pytest.raises(NoAnswer) as caught:
        transport.request("PATCH", "/api")
    transport.close()
    assert TOKEN not in str(caught.value)


def test_a_renewed_token_is_read_once_after_a_401(stub, transport, kubeconfig):
    kubeconfig.write_text(kubeconfig.read_text().replace(TOKEN, "renewed"))
    stub.script = [reply(401), reply(200)]
    assert transport.request("GET", "/api").status == 200
    assert stub.asked[1][2]["Authorization"] == "Bearer renewed"
    stub.script = [reply(401)]
    assert transport.request("GET", "/api").status == 401
    assert len(stub.asked) == 4


def test_the_environments_proxies_are_not_asked(stub, kubeconfig, slept, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    transport = Transport(Access(str(kubeconfig), allows=Allows.WRITES), slept.append)
    stub.script = [reply(200)]
    assert transport.request("GET", "/api").status == 200
    transport.close()


def test_a_redirect_is_not_followed(stub, transport):
    stub.script = [reply(302, Location="http://127.0.0.1:1/")]
    assert transport.request("GET", "/api").status == 302


@pytest.mark.parametrize(
    ("text", "context"),
    [("a: [\n token: s3cret-token", ""), ("{}", ""), (None, "other"), ("", "")],
)
def test_a_kubeconfig_that_leads_nowhere_is_a_mistake_told_without_its_content(
    kubeconfig, text, context
):
    if text is not None:
        kubeconfig.write_text(text)
    with pytest.raises(UsageMistake) as caught:
        Transport(Access(str(kubeconfig), context), lambda _: None)
    assert TOKEN not in caught.value.message


def test_no_kubeconfig_means_the_pods_own_account(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageMistake, match="service account"):
        Transport(Access(), lambda _: None)


# -- failures --------------------------------------------------------------------------------------


def test_a_failure_about_a_secret_shows_no_text_of_the_server():
    status = {
        "kind": "Status",
        "reason": "Invalid",
        "message": 'Secret "s" is invalid: data[k]: Invalid value: "hunter2"',
        "details": {"causes": [{"field": "data[k]", "message": 'Invalid value: "hunter2"'}]},
    }
    outcome = explain_failure(HttpAnswer(422, json.dumps(status).encode()), "secrets")
    assert outcome == Refused(RefusalCause.INVALID, 422, "422 Invalid: data[k]", ("data[k]",))
    lost = explain_failure(HttpAnswer(500, b"hunter2"), "secrets")
    assert isinstance(lost, Unknown)
    assert "hunter2" not in lost.message


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        (400, RefusalCause.INVALID),
        (401, RefusalCause.UNAUTHORIZED),
        (403, RefusalCause.FORBIDDEN),
        (404, RefusalCause.NOT_SERVED),
        (409, RefusalCause.STALE),
        (410, RefusalCause.EXPIRED),
        (413, RefusalCause.INVALID),
        (422, RefusalCause.INVALID),
        (429, RefusalCause.TOO_MANY),
    ],
)
def test_an_answer_that_is_no_status_is_told_by_its_code(code, refusal):
    outcome = explain_failure(HttpAnswer(code, b"<html>a proxy</html>"), "configmaps")
    assert (outcome.refusal, outcome.code) == (refusal, code)


@pytest.mark.parametrize("code", [302, 408, 500, 502, 503, 504])
def test_what_may_have_happened_is_unknown(code):
    assert isinstance(explain_failure(HttpAnswer(code, b""), "configmaps"), Unknown)
