"""URL filter against attacks: every known way to write a private address as a public one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from uninote.service.errors import InvalidError
from uninote.service.media.addresses import check_redirect, check_url, is_public

ALLOWED = ("cdn.example.com", ".images.example.org")


def public(_: str) -> Sequence[str]:
    return ["93.184.215.14"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # metadata service of clouds
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
        "2002:7f00:1::",  # 6to4 of 127.0.0.1
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo of 127.0.0.1
        "not an address",
    ],
)
def test_private_addresses_in_all_their_spellings(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example.com/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "../../etc/passwd",
        "ftp://cdn.example.com/a",
        "gopher://cdn.example.com/",
        "data:image/png;base64,AAAA",
        "https://user:secret@cdn.example.com/a.png",
        "https://cdn.example.com@127.0.0.1/a.png",
        "https://cdn.example.com:8443/a.png",
        "https://cdn.example.com.evil.net/a.png",
        "https://evilcdn.example.com/a.png",
        "https://images.example.org/a.png",  # only names below it are allowed
        "https://localhost/a.png",
        "https://127.0.0.1/a.png",
        "https://2130706433/a.png",  # 127.0.0.1 as one number
        "https://0x7f.1/a.png",
        "https://0177.0.0.1/a.png",
        "https://[::1]/a.png",
        "https://[::ffff:127.0.0.1]/a.png",
        "https://127.1/a.png",
        "https://cdn.example.com\\@127.0.0.1/",
        "https://cdn.example.com\n.evil.net/",
        "https://ⓒdn.example.com/a.png",
        "https:///a.png",
        "https://[/a.png",
        "https://cdn.example.com:99999/a.png",
        "https://cdn.example.com/" + "a" * 3000,
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(InvalidError):
        check_url(url, ALLOWED, public)


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://cdn.example.com/a.png?w=1#x", "cdn.example.com", "/a.png?w=1"),
        ("https://CDN.Example.com./a.png", "cdn.example.com", "/a.png"),
        ("https://a.b.images.example.org", "a.b.images.example.org", "/"),
        ("https://cdn.example.com:443/", "cdn.example.com", "/"),
    ],
)
def test_urls_that_are_allowed(url: str, host: str, path: str) -> None:
    target = check_url(url, ALLOWED, public)
    assert (target.host, target.path, target.address) == (host, path, "93.184.215.14")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://cdn.example.com/a.png", "https address, or the file as data"),
        ("HTTP://cdn.example.com/a.png", "https address, or the file as data"),
        ("data:image/png;base64," + "A" * 5000, "send it as data"),
        ("/etc/passwd", "begins with https://"),
        ("", "begins with https://"),
        ("cdn.example.com/a.png", "begins with https://"),
    ],
)
def test_another_scheme_is_told_what_to_send(url: str, says: str) -> None:
    with pytest.raises(InvalidError, match=says) as refused:
        check_url(url, ALLOWED, public)
    assert len(str(refused.value)) < 120


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(InvalidError, match="not public"):
        check_url("https://cdn.example.com/", ALLOWED, lambda _: ["93.184.215.14", "127.0.0.1"])
    with pytest.raises(InvalidError, match="no address"):
        check_url("https://cdn.example.com/", ALLOWED, lambda _: [])


def test_an_empty_list_allows_nothing() -> None:
    for allowed in ((), ("",), (".",)):
        with pytest.raises(InvalidError, match="url_hosts"):
            check_url("https://cdn.example.com/", allowed, public)


def test_redirects_are_resolved_against_the_url_and_checked() -> None:
    url, target = check_redirect("https://cdn.example.com/x/a.png", "../b.png", ALLOWED, public)
    assert (url, target.path) == ("https://cdn.example.com/b.png", "/b.png")
    for location in ("http://cdn.example.com/", "//127.0.0.1/", "https://evil.net/", "file:///etc/passwd"):
        with pytest.raises(InvalidError):
            check_redirect("https://cdn.example.com/", location, ALLOWED, public)
