"""FUNCTIONS_HTTP_HOSTS: who may be asked by which name, and what is never met by a name alone."""

import pytest

from shared.http_hosts import read_hosts

LISTED = "api.example.com, *.Example.org, intranet:8443, 10.1.0.0/16, [fd00::1]:8080, 192.168.0.9"


@pytest.mark.parametrize(
    ("name", "port", "is_allowed"),
    [
        ("api.example.com", 443, True),
        ("api.example.com", 80, True),
        ("api.example.com", 8080, False),
        ("api.example.com.evil.example", 443, False),
        ("evil-api.example.com", 443, False),
        ("a.example.org", 443, True),
        ("a.b.example.org", 443, True),
        ("example.org", 443, False),
        ("evilexample.org", 443, False),
        ("intranet", 8443, True),
        ("intranet", 443, False),
        ("10.1.2.3", 80, True),
        ("10.1.2.3", 22, False),
        ("10.2.0.1", 80, False),
        ("fd00::1", 8080, True),
        ("fd00::1", 80, True),
        ("fd00::2", 8080, False),
        ("192.168.0.9", 443, True),
        ("8.8.8.8", 443, False),
        ("", 443, False),
    ],
)
def test_a_host_is_asked_by_the_name_that_is_listed(name: str, port: int, is_allowed: bool) -> None:
    assert read_hosts(LISTED).allow(name, port) is is_allowed


@pytest.mark.parametrize(
    ("name", "port", "is_allowed"),
    [
        ("any.example", 443, True), ("any.example", 8443, False), ("8.8.8.8", 443, False), ("::1", 80, False),
        ("8.any.example", 443, True), ("134744072", 443, False), ("0x08080808", 443, False), ("010.8.8.8", 443, False),
        ("8.8.2056", 443, False), ("8.0x80808", 443, False), ("0x", 443, False), ("8.8.8.8.", 443, False),
    ],
)  # fmt: skip
def test_a_star_is_every_name_and_no_address(name: str, port: int, is_allowed: bool) -> None:
    assert read_hosts("*").allow(name, port) is is_allowed
    assert not read_hosts("").allow(name, port)


PRIVATE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0",  # noqa: S104  not bound to
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.0.1",
    "100.64.0.1", "168.63.129.16", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.0.1", "198.18.0.1",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::",
    "2001:0:7f00:1::1",
    "2001:db8::1", "::ffff:168.63.129.16", "not an address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_no_name_leads_to_an_address_that_is_not_public(address: str) -> None:
    assert not read_hosts("*, api.example.com").reach(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_names_lead_to_public_addresses(address: str) -> None:
    assert read_hosts("*").reach(address)


def test_addresses_that_are_listed_are_met() -> None:
    hosts = read_hosts(LISTED)

    assert [hosts.reach(each) for each in ("10.1.2.3", "192.168.0.9", "fd00::1")] == [True] * 3
    assert [hosts.reach(each) for each in ("10.2.0.1", "192.168.0.8", "127.0.0.1")] == [False] * 3
