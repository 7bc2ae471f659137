"""Writing the audit log."""

from typing import Any

from .models import AuditLog, School, User
from .origin import Origin


def record(
    event: AuditLog.Event,
    *,
    origin: Origin,
    school: School | None,
    user: User | None,
    detail: str = "",
    metadata: dict[str, Any] | None = None,
) -> AuditLog:
    """Add a row to the audit log, and return it.

    Call inside ``enter(school)`` when the row has a school; row-level security refuses it
    elsewhere. Without a school it may be called anywhere, and nobody of a school reads it. The
    session of the origin is kept in ``metadata``: it joins the row to what else was done in it.
    """
    session = {"session": origin.session} if origin.session else {}
    return AuditLog.objects.create(
        school=school,
        user=user,
        event=event,
        at=origin.at,
        ip=origin.ip,
        user_agent=origin.user_agent,
        detail=detail[:2000].replace("\x00", ""),
        metadata=session | (metadata or {}),
    )
