"""The client's address: from the connection, or from the header entry that our own proxy wrote."""

import pytest
from django.test import RequestFactory

from accounts.origin import client_ip
from accounts.sign_in import Adapter

CONNECTION = "198.51.100.7"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        # No proxy of ours: whatever the header says was written by the client.
        (0, None, CONNECTION),
        (0, "203.0.113.9", CONNECTION),
        (0, "127.0.0.1, 203.0.113.9", CONNECTION),
        # One proxy: it appends the address that it saw; what stands left of that is the client's.
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "127.0.0.1, 203.0.113.9", "203.0.113.9"),
        (1, "203.0.113.1, 203.0.113.2, 203.0.113.9", "203.0.113.9"),
        (1, None, CONNECTION),
        (1, "", CONNECTION),
        # Two: the outer one wrote the second from the right.
        (2, "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (2, "127.0.0.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        # It came round the outer proxy: nothing in the header can be trusted.
        (2, "203.0.113.9", CONNECTION),
    ],
)
def test_a_forged_header_changes_nothing(settings, proxies, forwarded, expected):
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", REMOTE_ADDR=CONNECTION, headers=headers)
    assert client_ip(request) == expected


@pytest.mark.parametrize("header", ["X-Real-IP", "Forwarded", "Client-IP", "CF-Connecting-IP"])
def test_other_headers_are_not_read(settings, header):
    settings.TRUSTED_PROXIES = 1
    request = RequestFactory().get("/", REMOTE_ADDR=CONNECTION, headers={header: "203.0.113.9"})
    assert client_ip(request) == CONNECTION


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),  # the database takes no zone
        ("", None),
        ("unix:", None),
        ("1.2.3", None),
        ("<script>", None),
    ],
)
def test_what_is_no_address_is_none(address, expected):
    assert client_ip(RequestFactory().get("/", REMOTE_ADDR=address)) == expected


def test_rate_limits_count_by_the_same_address(settings):
    settings.TRUSTED_PROXIES = 1
    request = RequestFactory().get(
        "/", REMOTE_ADDR=CONNECTION, headers={"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}
    )
    assert Adapter().get_client_ip(request) == "203.0.113.9"
    assert Adapter().get_client_ip(RequestFactory().get("/", REMOTE_ADDR="")) == "unknown"
