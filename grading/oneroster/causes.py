"""What several problems of a delivery come from: a record that one of its files lacks.

Call inside the school.
"""

import contextlib
import re
import uuid
from collections import Counter

from django.db.models import Q

from grading.oneroster.problems import BadRoster
from students.models import Student

_LACKS = re.compile(r"the [a-z ]+ “(.+)” is not in \w+\.csv")
CAUSES = 20
"""So many are told."""


def causes_of(bad: BadRoster) -> list[tuple[str, str, str]]:
    """Return each missing record that more than one problem is about, the most frequent first: a
    sentence, which pupil of the school that is, and how many problems come from it."""
    counts = Counter(each.reason for each in bad.problems if _LACKS.fullmatch(each.reason))
    ids = {
        reason: match[1]
        for reason, n in counts.most_common(CAUSES)
        if n > 1 and (match := _LACKS.fullmatch(reason))
    }
    names = _names(set(ids.values())) if ids else {}
    least = "at least " if len(bad.problems) < bad.total else ""
    return [(reason, names.get(ids[reason], ""), f"{least}{counts[reason]:,}") for reason in ids]


def _names(ids: set[str]) -> dict[str, str]:
    """Return the names of pupils by the id that they have in a roster, or go out under."""
    own = set()
    for each in ids:
        with contextlib.suppress(ValueError):
            own.add(uuid.UUID(each))
    pupils = Student.objects.filter(Q(source_id__in=ids) | Q(pk__in=own))
    return {pupil.source_id or str(pupil.pk): str(pupil) for pupil in pupils}
