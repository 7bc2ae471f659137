"""What is unusual in the marks that were sent in a session: marks that stood already, changed, and
many classes in a short time. Call inside a school."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping

from django.db import connection

MANY_CLASSES = 4
MINUTES_A_CLASS = 5
"""So many classes are many, if a class took less than that of them."""

ONLY_UP = 3
"""From so many on it says something that none of the marks went down."""


def unusual(sent: Mapping[uuid.UUID, int]) -> Iterable[tuple[int, str]]:
    """Say of each session what is unusual in its marks. ``sent``: change set -> session."""
    with connection.cursor() as cursor:
        cursor.execute(_MARKS, {"sets": list(sent), "sessions": list(sent.values())})
        rows = cursor.fetchall()
    for session, stood, up, classes, took in rows:
        if stood:
            yield session, _stood(stood, only_up=ONLY_UP <= stood == up)
        if classes >= MANY_CLASSES and took < dt.timedelta(minutes=MINUTES_A_CLASS) * classes:
            minutes = max(1, round(took.total_seconds() / 60))
            within = "a minute" if minutes == 1 else f"{minutes} minutes"
            yield session, f"Marks or comments in {classes} classes within {within}."


def _stood(count: int, *, only_up: bool) -> str:
    said = "1 mark that stood" if count == 1 else f"{count:,} marks that stood"
    return f"Changes {said} already{', each of them upwards' if only_up else ''}."


# A mark that needs two people stood when it was typed over. Only numbers are higher or lower.
_MARKS = r"""
    with sent as (
        select * from unnest(%(sets)s::uuid[], %(sessions)s::int[]) as t (change_set, session)
    ), typed as (
        select sent.session, c.entity_id, s.received_at,
               c.field = 'grade' and c.two_people as stood,
               case when c.value ~ '^\d+(\.\d+)?$' and c.old_value ~ '^\d+(\.\d+)?$'
                    then c.value::numeric > c.old_value::numeric end as up,
               coalesce(e.section_id, (
                   select n.refers_to from changes_change n
                   where n.school_id = c.school_id and n.entity_id = c.entity_id
                     and n.field = 'section'
                   order by n.id desc limit 1)) as section_id
        from sent
        join changes_change c on c.change_set_id = sent.change_set
         and c.school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid
        join changes_changeset s on s.school_id = c.school_id and s.id = c.change_set_id
        left join grading_enrollment e on e.school_id = c.school_id and e.id = c.entity_id
        where c.entity_type = 'enrollment' and c.field in ('grade', 'comment')
          and c.kind = 'value'
    )
    select session, count(distinct entity_id) filter (where stood),
           count(distinct entity_id) filter (where stood and up),
           count(distinct section_id), max(received_at) - min(received_at)
    from typed
    group by session
    order by session"""
