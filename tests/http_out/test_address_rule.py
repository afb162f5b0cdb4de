import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.http_out import AddressRule

PUBLIC_ONLY = AddressRule([])


@pytest.mark.parametrize(
    "ip",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "157.240.0.53",
        "168.63.129.15",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700:4700::1111",
        "2a03:2880:f12f:83:face:b00c:0:25de",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
)
def test_public_addresses_are_allowed(ip: str) -> None:
    assert PUBLIC_ONLY.allows(ip)


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",  # Alibaba's metadata
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",  # Azure's host agent
        "169.254.0.1",
        "169.254.169.254",  # metadata of most clouds
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",  # Oracle's metadata
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",  # IPv4-compatible
        "::8.8.8.8",
        "::ffff:0.0.0.0",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",  # IPv4-translated
        "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1::10.0.0.1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",  # 6to4 of 127.0.0.1
        "2002:808:808::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",  # Amazon's metadata
        "fe80::1",
        "fe80::1%eth0",
        "fe80::1%25eth0",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_all_other_addresses_are_refused(ip: str) -> None:
    assert not PUBLIC_ONLY.allows(ip)


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "8.8.8.8 ", "8.8.8", "[::1]"],
)
def test_what_is_no_canonical_address_is_refused_whatever_the_list(text: str) -> None:
    assert not AddressRule(["0.0.0.0/0", "::/0"]).allows(text)


@pytest.mark.parametrize(
    ("subnet", "inside", "outside"),
    [
        ("10.20.0.0/16", "10.20.255.1", "10.21.0.1"),
        ("10.20.0.0/16", "::ffff:10.20.255.1", "::ffff:10.21.0.1"),
        ("10.20.0.0/16", "10.20.0.1", "64:ff9b::10.20.0.1"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
        ("169.254.169.254/32", "169.254.169.254", "169.254.169.253"),
        ("fd12::/48", "fd12::1", "fd13::1"),
        ("fe80::/10", "fe80::1%eth0", "fec0::1"),
        ("::1/128", "::1", "127.0.0.1"),
        ("64:ff9b:1::/48", "64:ff9b:1::1", "64:ff9b::10.0.0.1"),
    ],
)
def test_the_operators_subnets_are_allowed_beside(subnet: str, inside: str, outside: str) -> None:
    rule = AddressRule([subnet])
    assert rule.allows(inside)
    assert not rule.allows(outside)
    assert rule.allows("8.8.8.8")


@pytest.mark.parametrize("text", ["10.0.0.1/8", "intranet", "10.0.0.0/33", ""])
def test_a_wrong_subnet_is_told_at_once(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        AddressRule([text])


@given(st.ip_addresses())
def test_nothing_that_python_calls_not_global_passes(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    judged = mapped or address
    if not judged.is_global or judged.is_multicast or judged.is_reserved:
        nat64 = address in ipaddress.IPv6Network(
            "64:ff9b::/96"
        )  # "reserved" to Python, judged below
        assert nat64 or not PUBLIC_ONLY.allows(str(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_its_ipv6_clothes(ip: ipaddress.IPv4Address) -> None:
    assert PUBLIC_ONLY.allows(f"::ffff:{ip}") == PUBLIC_ONLY.allows(str(ip))
    assert PUBLIC_ONLY.allows(f"64:ff9b::{ip}") == PUBLIC_ONLY.allows(str(ip))
    assert not PUBLIC_ONLY.allows(f"::{ip}")
