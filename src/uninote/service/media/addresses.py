"""URL filter against server-side request forgery: listed hosts that resolve to public addresses only."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from uninote.service.errors import InvalidError

PORT = 443
MAX_URL = 2048
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")

_NOT_HTTPS = {
    "http": "only https:// addresses are fetched, not http://; send the https address, or the file as data",
    "data": "a data: URL is not fetched; send it as data",
}

Resolve = Callable[[str], Sequence[str]]
"""Resolver from a host name to its numeric addresses."""


@dataclass(frozen=True)
class Target:
    """Checked address to connect to, with host and path to request; the name is not resolved again."""

    host: str
    address: str
    path: str


def resolve(host: str) -> list[str]:
    """Return the addresses that the system's resolver gives for a host name."""
    try:
        found = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InvalidError(f"the host {host!r} of the URL is not known") from None
    return [str(entry[4][0]) for entry in found]


def check_url(url: str, allowed: Sequence[str], resolve: Resolve = resolve) -> Target:
    """Return the target of `url`. Raises InvalidError with the reason when it must not be fetched.

    The scheme must be https on its default port, without a user name. The host must be on the list `allowed`;
    an entry that begins with a dot stands for every name below it. All its addresses must be public.
    """
    host, path = _parts(url)
    if not any(host.endswith(entry) if entry.startswith(".") else host == entry for entry in _lower(allowed)):
        raise InvalidError(
            f"nothing is fetched from {host!r}: send the file as data, or allow the host in service.url_hosts"
        )
    addresses = list(resolve(host))
    if not addresses:
        raise InvalidError(f"the host {host!r} of the URL has no address")
    if not all(is_public(address) for address in addresses):
        raise InvalidError(f"the host {host!r} of the URL has an address that is not public; send the bytes")
    return Target(host, addresses[0], path)


def check_redirect(
    url: str, location: str, allowed: Sequence[str], resolve: Resolve = resolve
) -> tuple[str, Target]:
    """Return the absolute URL of a redirect, and its target. Raises as `check_url`."""
    joined = urljoin(url, location)
    return joined, check_url(joined, allowed, resolve)


def is_public(address: str) -> bool:
    """Return whether a numeric address is reachable by everyone; IPv4 inside of IPv6 counts as IPv4."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # with a zone (fe80::1%eth0), or no address at all
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and any(ip in network for network in (*_NAT64, _IPV4_COMPATIBLE)):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner)) and ip not in _IPV4_COMPATIBLE
    return ip.is_global and not ip.is_multicast


def _parts(url: str) -> tuple[str, str]:
    """Return host name and path with query. Raises InvalidError for anything but a plain https URL."""
    scheme = url.partition(":")[0].lower()
    if scheme != "https":
        raise InvalidError(
            _NOT_HTTPS.get(scheme, "a URL begins with https://; send local files and others as data")
        )
    if len(url) > MAX_URL or not url.isascii() or any(ord(char) <= 32 or char == "\\" for char in url):
        raise InvalidError(f"a URL has at most {MAX_URL} ASCII characters without spaces; escape the others")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidError("the URL cannot be read; send https://host/path") from None
    if parts.username is not None or parts.password is not None or port not in (None, PORT):
        raise InvalidError("a URL has neither a user name nor a port")
    host = (parts.hostname or "").rstrip(".")
    if not host:
        raise InvalidError("the URL has no host; send https://host/path")
    return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _lower(allowed: Sequence[str]) -> list[str]:
    return [entry.lower() for entry in allowed if entry.strip(". ")]
