"""What is unusual in the details of pupils that were sent in a session: other addresses of their
guardians, to which the school writes. Call inside a school."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping

from django.db.models import Exists, OuterRef

from accounts.models import Membership
from changes.models import Change


def unusual(sent: Mapping[uuid.UUID, int]) -> Iterable[tuple[int, str]]:
    """Say in which sessions of teachers an address of a guardian that stood was changed: to the
    office it is everyday work, and so one of its own accounts that is misused shows here by other
    marks alone. ``sent``: change set -> session."""
    teachers = Membership.objects.filter(
        school_id=OuterRef("school_id"), user_id=OuterRef("author_id"), role=Membership.Role.TEACHER
    )
    changed = (
        Change.objects.filter(
            Exists(teachers),
            change_set__among=list(sent),
            entity_type="student",
            field="guardian_email",
            kind=Change.Kind.VALUE,
            old_value__isnull=False,
        )
        .order_by()
        .values_list("change_set", "entity_id")
        .distinct()
    )
    pupils = Counter(
        session for session, _ in {(sent[save], entity_id) for save, entity_id in changed}
    )
    for session in sorted(pupils):
        count = pupils[session]
        whose = "a guardian" if count == 1 else f"the guardians of {count:,} pupils"
        yield session, f"Changes the e-mail of {whose}."
