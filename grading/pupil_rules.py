"""The rules of a pupil that only classes know: whose pupil it is."""

import datetime as dt
from collections.abc import Sequence

from accounts.models import Membership
from changes.propose import Draft
from changes.registry import Rules
from students.models import Student

from .access import is_restricted

NOT_YOUR_PUPIL = "In this school teachers change their own pupils only. Ask the office."


class PupilRules(Rules):
    """Rules of the entity type ``student``."""

    def clean(
        self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime, among: Sequence[Draft]
    ) -> None:
        if not is_restricted(by):
            return
        # A pupil who is missing may be added, and corrected until approved.
        others = set(
            Student.objects.filter(pk__in={draft.entity_id for draft in drafts})
            .exclude(enrollments__section__instructor_id=by.user_id)
            .values_list("pk", flat=True)
        )
        for draft in drafts:
            if draft.entity_id in others:
                draft.refuse(NOT_YOUR_PUPIL)
