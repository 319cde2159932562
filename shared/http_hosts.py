"""FUNCTIONS_HTTP_HOSTS: which hosts the functions of an app may ask, and at which addresses (pure)."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

type Address = IPv4Address | IPv6Address

_ANY = "*"
_PORTS = frozenset({80, 443})
_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*")
_NUMBER = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?")  # which resolvers read as an address, too
_PUBLIC_6 = IPv6Network("2000::/3")
_OF_PLATFORMS = frozenset({IPv4Address("168.63.129.16")})  # public by its number, and inside of each machine of Azure


class HostsError(Exception):
    """An entry of the list cannot be used."""


class _Host(NamedTuple):
    name: str
    port: int | None
    """The only one; None for those of http and https."""

    def is_met(self, name: str, port: int) -> bool:
        """Tell whether it is this host that is named."""
        if port not in (_PORTS if self.port is None else (self.port,)):
            return False
        return self.name in (name, _ANY) or (self.name.startswith("*.") and name.endswith(self.name[1:]))


class Hosts:
    """The hosts that may be asked by their names, and the addresses that are no public ones and may be met there."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Take names, `*.` with a name, `*`, addresses and networks; each but a network may have a port.

        Raise HostsError for what is none of them.
        """
        self._hosts: list[_Host] = []
        self._networks = []
        for entry in entries:
            name, port = _parted(entry)
            try:
                self._networks.append(ip_network(name))
            except ValueError:
                if name != _ANY and not _NAME.fullmatch(name):
                    raise HostsError from None
            self._hosts.append(_Host(name, port))

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._hosts)

    def allow(self, name: str, port: int) -> bool:
        """Tell whether a host, as a URL names it, may be asked: an address has to be named, or one of its networks."""
        if any(each.is_met(name, port) for each in self._hosts if each.name != _ANY):
            return True
        address = _address(name)
        if address is None:
            return not _NUMBER.fullmatch(name) and any(each.is_met(name, port) for each in self._hosts)
        return port in _PORTS and any(address in each for each in self._networks)

    def reach(self, address: str) -> bool:
        """Tell whether an address, of whatever name, may be connected to: a public one, or one that is in the list."""
        parsed = _address(address)
        return parsed is not None and (_is_public(parsed) or any(parsed in each for each in self._networks))


def read_hosts(text: str) -> Hosts:
    """Return the hosts of a list with commas; raise HostsError if an entry cannot be used."""
    return Hosts(filter(None, (each.strip().lower() for each in text.split(","))))


def _parted(entry: str) -> tuple[str, int | None]:
    """Return the host and the port of an entry."""
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?|([^:]+):(\d{1,5})", entry)
    if found is None:
        return entry, None
    name, port = found[1] or found[3], found[2] or found[4]
    if port is not None and not 0 < int(port) < 1 << 16:
        raise HostsError
    return name, None if port is None else int(port)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_public(address: Address) -> bool:
    """Tell whether an address is one of the internet, by which no other is reached."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        is_tunnel = address.sixtofour is not None or address.teredo is not None
        if is_tunnel or address.scope_id is not None or address not in _PUBLIC_6:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in _OF_PLATFORMS
