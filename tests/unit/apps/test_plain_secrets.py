"""Which texts count as secrets that stand in plain text."""

import pytest

from reconciler.apps import plain_secrets
from reconciler.layers import document
from reconciler.secrets import find_flag, holds_secret, holds_userinfo


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("FEATURE_STORE_TOKEN", "hunter2", True),
        ("dbPassword", "a", True),
        ("PGPASSWORD", "12345", True),
        ("API_TOKEN", "12345", False),
        ("PAD_TOKEN", "<pad>", False),
        ("TOKEN_FILE", "/run/token", False),
        ("DB_PASSWORD", "$(OTHER)", False),
        ("DB_PASSWORD", "", False),
        ("LOG_LEVEL", "debug", False),
    ],
)
def test_a_name_and_a_text_say_whether_a_secret_stands_in_git(name, value, wanted):
    assert holds_secret(name, value) is wanted


def test_a_url_holds_a_password_only_after_a_colon():
    assert holds_userinfo("https://robot:abc@git.example/x")
    assert not holds_userinfo("https://robot@git.example/x")
    assert find_flag("--token=x") == ("token", "x")
    assert find_flag("x") == ("", None)


def test_every_secret_of_a_tree_is_told_at_its_path_and_never_shown():
    text = b"env: [{name: API_TOKEN, value: kanarie}]\nargs: [--token, kanarie, x]\n"
    parsed = document.parse(text, "a.yaml", "a")
    assert parsed.root is not None
    told = list(plain_secrets.check(parsed.root))
    assert [d.path for d in told] == ["env[0].value", "args[1]"]
    assert not any("kanarie" in d.message + d.help for d in told)
