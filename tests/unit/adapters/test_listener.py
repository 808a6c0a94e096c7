"""What is served: who may trigger a pass, and what a hostile caller gets."""

import hashlib
import hmac
import http.client
import socket
from typing import Any

import pytest

from reconciler.adapters import listener
from reconciler.errors import UsageMistake

SECRET = b"a secret of the git host"


@pytest.fixture
def hook():
    triggered, counted = [], []
    made = listener.Webhook(SECRET, lambda: triggered.append(1), counted.append)
    table: dict[Any, Any] = {("POST", "/webhook"): made}
    table |= listener.health_routes(lambda: "", lambda: "no pass yet", lambda: "a_total 1\n")
    server: Any = listener.serve("127.0.0.1:0", table)
    server.triggered, server.counted = triggered, counted
    yield server
    server.close()


def ask(server, method, path, body=None, **headers):
    made = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        made.request(method, path, body, names)
        answer = made.getresponse()
        return answer.status, answer.read().decode()
    finally:
        made.close()


def signature(body, secret=SECRET):
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def test_a_signed_push_triggers_a_pass(hook):
    body = b'{"ref": "refs/heads/main"}'
    status, _ = ask(hook, "POST", "/webhook", body, X_Hub_Signature_256=signature(body))
    assert (status, hook.triggered, hook.counted) == (202, [1], ["accepted"])


def test_a_push_of_gitlab_triggers_a_pass(hook):
    status, _ = ask(hook, "POST", "/webhook", b"{}", X_Gitlab_Token=SECRET.decode())
    assert (status, hook.triggered) == (202, [1])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_Hub_Signature_256": signature(b"{}", b"another secret")},
        {"X_Hub_Signature_256": signature(b"{ }")},
        {"X_Hub_Signature_256": signature(b"{}")[:-1]},
        {"X_Hub_Signature_256": ""},
        {"X_Hub_Signature": "sha1=" + "0" * 40},
        {"X_Gitlab_Token": "wrong"},
        {"X_Gitlab_Token": ""},
        {"X_Gitlab_Token": "ü".encode("latin-1")},
        # A forged signature is not saved by a token beside it.
        {"X_Hub_Signature_256": "sha256=0", "X_Gitlab_Token": SECRET.decode()},
    ],
)
def test_nobody_else_triggers_anything(hook, headers):
    assert ask(hook, "POST", "/webhook", b"{}", **headers)[0] == 401
    assert (hook.triggered, hook.counted) == ([], ["refused"])


def test_too_large_a_body_is_refused_before_it_is_read(hook):
    with socket.create_connection(("127.0.0.1", hook.port), timeout=5) as made:
        made.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n")
        assert b" 413 " in made.recv(200)
    assert hook.triggered == []


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"99999999999999999999", "٣".encode()])
def test_a_length_that_is_none_is_refused(hook, length):
    with socket.create_connection(("127.0.0.1", hook.port), timeout=5) as made:
        made.sendall(
            b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n"
        )
        assert b" 413 " in made.recv(200)


def test_a_body_in_chunks_is_refused(hook):
    with socket.create_connection(("127.0.0.1", hook.port), timeout=5) as made:
        made.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert b" 413 " in made.recv(200)


def test_a_caller_that_says_nothing_costs_one_thread_and_others_are_answered(hook):
    with socket.create_connection(("127.0.0.1", hook.port)):
        assert ask(hook, "GET", "/healthz") == (200, "ok\n")


def test_more_callers_than_slots_are_turned_away_and_the_slots_come_back(hook):
    idle = [socket.create_connection(("127.0.0.1", hook.port), timeout=5) for _ in range(16)]
    last = socket.create_connection(("127.0.0.1", hook.port), timeout=5)
    assert last.recv(1) == b""
    for made in (*idle, last):
        made.close()
    for _ in range(200):
        try:
            if ask(hook, "GET", "/healthz")[0] == 200:
                break
        except (OSError, http.client.HTTPException):
            continue
    else:
        pytest.fail("no slot came back")


@pytest.mark.parametrize("path", ["/", "/webhook/", "/metrics/../x", "/admin"])
def test_there_is_nothing_else(hook, path):
    body = b"{}"
    assert ask(hook, "POST", path, body, X_Hub_Signature_256=signature(body))[0] == 404
    assert ask(hook, "PUT", "/webhook", body)[0] in (404, 501)


def test_health_and_metrics_are_apart(hook):
    assert ask(hook, "GET", "/healthz")[0] == 200
    assert ask(hook, "GET", "/readyz") == (503, "no pass yet\n")
    assert ask(hook, "GET", "/metrics?x=1") == (200, "a_total 1\n")
    assert ask(hook, "GET", "/webhook")[0] == 404


@pytest.mark.parametrize(
    "address", ["", "8080", "host:", "host:x", "host:70000", "nowhere.invalid:1"]
)
def test_an_address_that_cannot_be_is_a_mistake(address):
    with pytest.raises(UsageMistake):
        listener.serve(address, {})


def test_a_port_that_is_taken_is_a_mistake(hook):
    class Exclusive(listener.Listener):
        allow_reuse_address = False

    with pytest.raises(UsageMistake, match="cannot be listened on"):
        Exclusive(f"127.0.0.1:{hook.port}", {})
