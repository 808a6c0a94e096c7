"""A notification's target may do what it likes: the run does not care (F147)."""

import hashlib
import hmac
import json
import queue
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from reconciler.adapters.notify import Notifier, Target
from reconciler.errors import UsageMistake

EVENT = {"specversion": "1.0", "id": "one", "subject": "prod/one/web"}
SECRET = b"shared with the target"


class Receiver:
    """Answers with the given codes in turn, the last one for ever."""

    def __init__(self, *codes):
        got = self.got = queue.Queue()
        answers = list(codes)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(code)
                if 300 <= code < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                # Ahead of the answer: after it the sender may be done, and the test look.
                got.put((self.path, dict(self.headers), body))
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def sent():
    made = []

    def build(*codes):
        receiver = Receiver(*codes)
        made.append(receiver)
        return receiver

    yield build
    for receiver in made:
        receiver.close()


def notifier(*urls, secret=SECRET):
    counted = []
    made: Any = Notifier(tuple(map(Target, urls)), secret, counted.append, pause=0.001, seconds=0.5)
    made.counts = counted
    return made


def test_an_event_is_posted_once_and_signed(sent):
    receiver = sent(202)
    made = notifier(receiver.url)
    made(EVENT)
    made(EVENT)
    made.close(5)
    path, headers, body = receiver.got.get_nowait()
    assert receiver.got.empty()
    assert path == "/hook?x=1"
    assert json.loads(body) == EVENT
    digest = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    assert headers["X-Reconciler-Signature-256"] == f"sha256={digest}"
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert made.counts == ["success"]


def test_a_target_that_recovers_gets_it(sent):
    receiver = sent(500, 503, 204)
    made = notifier(receiver.url)
    made(EVENT)
    made.close(5)
    assert made.counts == ["retried", "retried", "success"]


@pytest.mark.parametrize("code", [301, 302, 307, 400, 404, 500])
def test_a_target_that_never_takes_it_is_given_up_and_no_redirect_is_followed(sent, code):
    receiver = sent(code)
    made = notifier(receiver.url)
    made(EVENT)
    made.close(10)
    assert made.counts == ["retried"] * 5 + ["dropped"]
    paths = {receiver.got.get_nowait()[0] for _ in range(6)}
    assert paths == {"/hook?x=1"}


def test_a_target_that_refuses_or_is_nowhere_is_given_up():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    made = notifier(f"http://127.0.0.1:{port}/", "https://nowhere.invalid/x")
    made(EVENT)
    made.close(20)
    assert made.counts.count("dropped") == 2


def test_a_target_that_hangs_does_not_hold_up_the_run_s_end(sent):
    good = sent(200)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        made = notifier(f"http://127.0.0.1:{silent.getsockname()[1]}/", good.url)
        made(EVENT)
        made.close(0.0)
    assert made.counts in ([], ["retried"])


def test_a_target_that_talks_nonsense_is_given_up():
    with socket.socket() as odd:
        odd.bind(("127.0.0.1", 0))
        odd.listen()

        def talk():
            for _ in range(6):
                peer, _ = odd.accept()
                peer.recv(65536)
                peer.sendall(b"\x00\xff nonsense\r\n\r\n")
                peer.close()

        threading.Thread(target=talk, daemon=True).start()
        made = notifier(f"http://127.0.0.1:{odd.getsockname()[1]}/")
        made(EVENT)
        made.close(10)
    assert made.counts[-1] == "dropped"


def test_one_dead_target_keeps_nothing_from_another(sent):
    good = sent(200)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    made = notifier(f"http://127.0.0.1:{port}/", good.url)
    for number in range(5):
        made({**EVENT, "id": str(number)})
    made.close(10)
    assert made.counts.count("success") == 5
    assert made.counts.count("dropped") == 5


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://x/", "file:///etc/passwd", "http://", "http://user:pw@host/", "//host/x",
        "http://host:port/", "http://host/a b", "http://host/\r\nX: y",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_meant_is_a_mistake_and_shows_no_password(url):
    with pytest.raises(UsageMistake) as mistake:
        Target(url)
    assert "pw" not in str(mistake.value)
