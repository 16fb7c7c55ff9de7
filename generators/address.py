"""The address of a server: which may be used, how paths are joined to it, and what of it may be shown."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

import httpx

from phrasemill.schemas.errors import ConfigError

_METADATA_NAME: Final = "metadata.google.internal"
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.0.23", "fd00:ec2::254"),
    )
)
"""Of most clouds, of containers on AWS (two), of Tencent, of AWS over IPv6; others on the link may be servers."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def checked_url(url: str) -> httpx.URL:
    """The address of a server, without a slash at its end.

    Raises:
        ConfigError: it is not http or https, has no host, or is a cloud's metadata service.
    """
    try:
        parsed = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ConfigError(f"backend.url: not an address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigError(
            f"backend.url: got scheme {parsed.scheme!r} and host {parsed.host!r}, expected http(s)://host:port/v1"
        )
    if _is_metadata(parsed.host):
        raise ConfigError(f"backend.url: {parsed.host} is a cloud's metadata service, not a model server")
    return parsed


def shown(url: httpx.URL) -> str:
    """The address without what may be secret in it."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))


def joined(url: str, path: str) -> httpx.URL:
    """``path`` under ``url``, whose query is kept."""
    base = httpx.URL(url)
    return base.copy_with(path=f"{base.path.rstrip('/')}/{path}")


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by name or number."""
    address = _address(host)
    return host == "localhost" or (address is not None and (address.is_loopback or address.is_unspecified))


def _is_metadata(host: str) -> bool:
    name = host.rstrip(".").lower()
    address = _address(name.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64:
        address = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return name == _METADATA_NAME or address in _METADATA


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The number that a host is, in whatever way it is written; None for a name."""
    try:
        # Takes 2852039166 and 0xa9fea9fe too, as whoever opens the connection will.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        pass
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
