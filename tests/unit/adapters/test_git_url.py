"""URLs: what is spoken to, what is refused before git starts, and what is shown of them."""

import pytest

from reconciler.adapters.git import urls
from reconciler.errors import SourceError


@pytest.mark.parametrize(
    ("url", "protocol", "host"),
    [
        ("https://git.example.org/team/config.git", "https", "git.example.org"),
        ("https://git.example.org:8443/c", "https", "git.example.org"),
        ("https://git.example.org/$SECRET/~user/x", "https", "git.example.org"),
        ("ssh://git@git.example.org/team/config", "ssh", "git.example.org"),
        ("ssh://git.example.org:2222/c", "ssh", "git.example.org"),
        ("git@git.example.org:team/config.git", "ssh", "git.example.org"),
    ],
)
def test_https_and_ssh_are_spoken(url, protocol, host):
    assert urls.validate(url) == urls.Remote(url, protocol, host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ext::sh -c 'touch X'",
        "ext::sh",
        "fd::17",
        "https::https://git.example.org/x",
        "file:///srv/config.git",
        "/srv/config.git",
        "../config.git",
        "config",
        "C:\\config",
        "-oProxyCommand=touch X",
        "--upload-pack=touch X",
        "-oProxyCommand=x:path",
        "ssh://-oProxyCommand=touch/x",
        "git@-oProxyCommand=x:path",
        "git@host:-x",
        "ssh://-l@host/x",
        "http://git.example.org/x",
        "git://git.example.org/x",
        "ftp://git.example.org/x",
        "http://127.0.0.1/x",
        "https://git.example.org/x\nhost=evil",
        "https://git.example.org/x y",
        "https://git.example.org/\x1b[31m",
        "https://git.example.org/x?token=hunter22",
        "https://git.example.org/x#hunter22",
        "https://ann:hunter22@git.example.org/x",
        "https://hunter22@git.example.org/x",
        "https://ann:hunt/hunter22@git.example.org/x",
        "https://ann:hunt@hunter22@git.example.org/x",
        "ssh://git:hunter22@git.example.org/x",
        "https://git.example.org",
        "https://git.example.org/",
        "https:///x",
        "https://[::1/x",
        "https://host:port/x",
        "https://" + "x" * 3000,
    ],
)
def test_everything_else_is_refused_and_no_password_is_shown(url):
    with pytest.raises(SourceError) as caught:
        urls.validate(url)
    assert caught.value.code == "E_URL"
    assert "hunter22" not in caught.value.message + caught.value.hint
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/x", "git://localhost:9418/x", "file:///srv/x", "http://[::1]/x"],
)
def test_this_machine_is_spoken_to_only_where_tests_allow_it(url):
    assert urls.validate(url, allow_loopback=True).url == url
    with pytest.raises(SourceError):
        urls.validate(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1.example.org/x", "git://example.org/x", "file://host/x", "file:///"]
)
def test_allowing_this_machine_allows_no_other(url):
    with pytest.raises(SourceError):
        urls.validate(url, allow_loopback=True)


def test_what_is_shown_of_a_url_has_no_user_and_no_query():
    assert urls.show_url("https://a:b@host/x?y") == "https://***@host/x"
    assert urls.show_url("git@host:x") == "***@host:x"
    assert urls.show_url("https://host/x") == "https://host/x"
