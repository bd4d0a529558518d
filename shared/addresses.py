"""Which IP addresses a stranger's URL may lead to.

`ipaddress.is_global` alone is not enough: Python 3.11 calls the NAT64, 6to4 and site-local ranges and a cloud metadata
address global. (Ranges: IANA IPv4 and IPv6 Special-Purpose Address Registries, RFC 6890.)
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from shared.errors import MediaRefused

_OWN_NETWORK = [
    ip_network(block)
    for block in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1", "fc00::/7")
]
# Cloud metadata services; those at 169.254.169.254 and 192.0.0.192 lie in ranges that are refused as a whole.
_METADATA = [ip_network(block) for block in ("168.63.129.16", "100.100.100.200", "fd00:ec2::/32", "fd20:ce::/32")]
_SPECIAL_V4 = [
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
_GLOBAL_UNICAST_V6 = ip_network("2000::/3")
_SPECIAL_V6 = [ip_network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_V4_INSIDE_V6 = [ip_network(block) for block in ("::ffff:0:0/96", "64:ff9b::/96")]


def check_address(address: str, *, allow_private: bool = False) -> None:
    """Raise MediaRefused unless an IP address is one that a stranger's URL may lead to."""
    ip = _unwrapped(ip_address(address))
    if any(ip in block for block in _OWN_NETWORK) and not any(ip in block for block in _METADATA):
        allowed = allow_private
    elif isinstance(ip, IPv4Address):
        allowed = not any(ip in block for block in (*_SPECIAL_V4, *_METADATA))
    else:
        allowed = ip in _GLOBAL_UNICAST_V6 and not any(ip in block for block in _SPECIAL_V6)
    if not allowed:
        raise MediaRefused("The address points into a private network.")


def check_literal(url: str, *, allow_private: bool = False) -> None:
    """Raise MediaRefused when a URL shows by itself that it must not be opened. Names are checked when resolved."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" and not allow_private:
        raise MediaRefused("The address must begin with https://.")
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    try:
        ip_address(host)
    except ValueError:
        return
    check_address(host, allow_private=allow_private)


def _unwrapped(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(ip, IPv6Address) and any(ip in block for block in _V4_INSIDE_V6):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip
