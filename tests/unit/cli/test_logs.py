"""A line is an event, whatever is in it (F21)."""

import io
import json
import threading

import pytest

from reconciler.secrets import Redactor
from reconciler.wiring.logs import Logs
from tests.support import NOW

FORGED = 'web\n{"level": "info", "msg": "all is well"}\r\n\u2028\x1b[2K{"a":1}'


def lines(form, redact=str):
    stream = io.StringIO()
    return stream, Logs(stream, form, lambda: NOW, "run-1", redact)


def test_a_json_line_cannot_be_forged():
    stream, logs = lines("json")
    logs.event("error", FORGED, object=FORGED, app="prod/one/web")
    (line,) = stream.getvalue().splitlines()
    row = json.loads(line)
    assert row["msg"] == row["object"] == FORGED
    assert row["level"] == "error"
    assert line.isascii()
    assert line.isprintable()


def test_a_text_line_cannot_be_forged():
    stream, logs = lines("text")
    logs.event("error", FORGED, object=FORGED)
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "text"])
def test_secrets_are_masked_and_empty_fields_left_out(form):
    redactor = Redactor(b"k", ["hunter2secret"])
    stream, logs = lines(form, redactor.redact)
    logs.event("info", "token hunter2secret", error="https://u:hunter2secret@host/", phase="")
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "phase" not in text


def test_progress_is_said_once_and_is_a_sign_of_life():
    beats = []
    stream = io.StringIO()
    logs = Logs(stream, "json", lambda: NOW, "run-1", str, lambda: beats.append(1))
    for _ in range(3):
        logs.progress("prod/one/web", "wave 1/2")
    assert len(stream.getvalue().splitlines()) == 1
    assert len(beats) == 3


def test_lines_of_many_threads_are_whole():
    stream, logs = lines("json")
    threads = [
        threading.Thread(target=lambda: [logs.event("info", "x" * 300) for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in stream.getvalue().splitlines()]) == 200


def test_a_reader_that_went_away_fails_nothing():
    stream, logs = lines("json")
    stream.close()
    logs.event("info", "nobody hears this")


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("commit", [COMMIT, COMMIT + "0" * 24], ids=["sha1", "sha256"])
def test_a_commit_has_twelve_digits_in_text_and_all_of_them_in_json(commit):
    stream, logs = lines("text")
    logs.event("info", "wrote", app="prod/one/web", revision=commit)
    assert stream.getvalue().endswith(" app=prod/one/web revision=0123456789ab\n")
    stream, logs = lines("json")
    logs.event("info", "wrote", revision=commit)
    assert json.loads(stream.getvalue())["revision"] == commit


@pytest.mark.parametrize("label", ["worktree@0123456", "0123456789abcdef", "g" * 40])
def test_what_is_no_commit_is_not_cut_in_a_log_line(label):
    stream, logs = lines("text")
    logs.event("info", "wrote", revision=label)
    assert stream.getvalue().endswith(f" revision={label}\n")
