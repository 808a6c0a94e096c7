"""Named values in texts that nobody parsed."""

import subprocess
import sys

import pytest

from reconciler.secret_texts import hide_secret_values, named_values, secret_values
from reconciler.secrets import MASK, Redactor

LEARNED = {
    "a key in block style": "password: hunter2hunter2\n",
    "a key below another key": "settings:\n  password: hunter2hunter2\n",
    "a key on the line after it": "password:\n  hunter2hunter2\n",
    "a block scalar": "password: |\n  hunter2hunter2\nuser: x\n",
    "a flow mapping": "{user: x, password: hunter2hunter2}\n",
    "a flow mapping, quoted": '{"user": "x", "password": "hunter2hunter2"}\n',
    "a flow mapping inside a block": "settings: {user: x, password: hunter2hunter2}\n",
    "the second variable of a line": "env: [{name: A, value: b}, {name: TOKEN, value: hunter2hunter2}]",
    "a variable, value first": "env: [{value: hunter2hunter2, name: API_TOKEN}]\n",
    "an element, value first": "env:\n- value: hunter2hunter2\n  name: API_TOKEN\n",
    "an element": "env:\n- name: API_TOKEN\n  value: hunter2hunter2\n",
    "a flag": "args: [--db-password, hunter2hunter2]\n",
    "a flag as two elements": "args:\n- --db-password\n- hunter2hunter2\n",
    "an assignment": "cmd: run --db-password=hunter2hunter2 now\n",
    "an assignment after others": "cmd: A=b&TOKEN=hunter2hunter2\n",
    "a URL": "url: -https://me:hunter2hunter2@host/x\n",
    "a Secret in block style": "kind: Secret\nstringData:\n  anything: hunter2hunter2\n",
    "a Secret in flow style": "{kind: Secret, data: {anything: hunter2hunter2}}\n",
    "a Secret that does not parse": "kind: Secret\ndata: {anything: hunter2hunter2\n  : - {\n",
}


@pytest.mark.parametrize("text", LEARNED.values(), ids=list(LEARNED))
def test_a_secret_is_learned_from_a_text(text):
    redactor = Redactor(b"k")
    redactor.learn_text(text)
    assert redactor.redact("it is hunter2hunter2.") == f"it is {MASK}."


def test_a_value_belongs_to_its_own_variable():
    text = "env:\n- name: API_TOKEN\n  valueFrom: {}\n- name: LEVEL\n  value: verbose-logs\n"
    assert ("API_TOKEN", "verbose-logs") not in set(named_values(text))
    before = "env:\n- name: LEVEL\n  value: verbose-logs\n- name: API_TOKEN\n"
    assert ("API_TOKEN", "verbose-logs") not in set(named_values(before))


def test_a_key_below_a_secret_name_is_no_value():
    assert set(named_values("secret:\n  name: db\n")) == {("name", "db")}


def test_only_the_document_of_a_secret_gives_values():
    text = "kind: ConfigMap\ndata: {a: plain-value}\n---\nkind: Secret\ndata: {b: hidden}\n"
    assert set(secret_values(text)) == {"hidden", "hidden}"}


def test_an_external_secret_is_no_secret():
    assert list(secret_values("kind: ExternalSecret\nspec:\n  data: {a: b}\n")) == []


def test_lines_of_a_secret_are_quoted_without_values():
    lines = [
        "kind: Secret",
        "metadata: {name: x}",
        "stringData:",
        "  user: bob",
        "  key: |",
        "    abc",
        "---",
        "{kind: Secret, data: {a: b}}",
    ]
    assert hide_secret_values(lines, "***") == [
        "kind: Secret",
        "metadata: {name: x}",
        "stringData:",
        "  user: ***",
        "  key: ***",
        " ***",
        "---",
        "{kind: Secret, data: ***",
    ]


def test_a_file_without_a_secret_is_quoted_as_it_is():
    lines = ["kind: ConfigMap", "data: {a: b}"]
    assert hide_secret_values(lines, "***") == lines


#: Doubling such a text would multiply the time of a quadratic pattern by four: 100,000
#: characters would then take many minutes for each. Linear work takes some ten seconds for all.
_ADVERSARIAL = r"""
from reconciler.secret_texts import hide_secret_values
from reconciler.secrets import Redactor, is_secret_name, printable, strip_userinfo
n = 100_000
pieces = [
    "a", "a.", "-", "--", "aB", "A1", " ", "\n", "\t", "a ", "a:", "a: ", "a:\n", "a =", "a=", "=",
    "://", "a://", "a://b", "a://b:c", "@", "bearer ", "bearer%20", "basic aaaaaaaa", "name: ",
    "name: a ", "name: a\n", "value: ", "value: a ", "value: a\n", "value: 'a ", "'", '"', "a: '",
    'a: "', "a: 'b\", ", "--a ", "--a,", "--a\n", "--a\n- ", "--a\n\n", "- ", "{", "}", "{a: ",
    "kind: Secret\n", "kind: Secret\n---\n", "---\n", "data: ", "data: |\n", "a: |\n", "a: |\n ",
    "kind: Secret\ndata:\n a: b\n---\n", "#", " #", ", ", "] ", "\u202e", "<redacted:", "$",
    "x" * 299 + "=",
]
for piece in pieces:
    for text in (piece * (n // len(piece)), "password: " + piece * (n // len(piece))):
        redactor = Redactor(b"k")
        redactor.learn_text(text)
        redactor.redact(text)
        redactor.learn_tree({"password": text, "args": ["--token", text], "env": [text]})
        is_secret_name(text)
        printable(text)
        strip_userinfo(text)
        hide_secret_values(text.split("\n"), "***")
resembling = Redactor(b"k", ["a" * n + "b"])
resembling.redact("a" * n)
"""


def test_a_long_text_is_read_in_linear_time():
    subprocess.run([sys.executable, "-c", _ADVERSARIAL], check=True, timeout=240)
