"""Where and when a request came from: the facts that every change and decision keeps."""

import dataclasses
import datetime as dt
import ipaddress
import uuid

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

SESSION_LABEL = "origin_session"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """``at`` is this server's time of receipt (aware), never a client's own time.

    ``ip`` is None for a command; ``session`` names one sign-in, and is no secret.
    """

    at: dt.datetime = dataclasses.field(default_factory=timezone.now)
    ip: str | None = None
    user_agent: str = ""
    session: str = ""


def client_ip(request: HttpRequest) -> str | None:
    """Return the client's address, or None when the connection has none (a Unix socket).

    With ``TRUSTED_PROXIES = n`` the n-th entry from the right of X-Forwarded-For is the one that
    our outermost proxy wrote; everything left of it was sent by the client and proves nothing.
    Without proxies the header is not read at all.
    """
    candidate = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXIES:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(hops) >= settings.TRUSTED_PROXIES:
            candidate = hops[-settings.TRUSTED_PROXIES].strip() or candidate
    try:
        return str(ipaddress.ip_address(candidate.partition("%")[0]))
    except ValueError:
        return None


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_of(ip: str) -> Network:
    """Return an address as a network: of IPv6 the half that stays with a connection."""
    address = ipaddress.ip_address(ip)
    return ipaddress.ip_network(f"{ip}/{32 if address.version == 4 else 64}", strict=False)


def origin_of(request: HttpRequest) -> Origin:
    """Return the origin of a browser's request. The session gets its label on first use."""
    label = request.session.get(SESSION_LABEL)
    if label is None:
        label = request.session[SESSION_LABEL] = uuid.uuid4().hex
    return Origin(
        ip=client_ip(request),
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:500].replace("\x00", ""),
        session=label,
    )
