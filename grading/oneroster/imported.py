"""What imports have said of a school so far, less what was reverted.

Call inside the school. One statement each, which reads what is asked for: all that was ever
imported is too much to keep.
"""

import uuid
from collections.abc import Iterable

from django.db import connection
from psycopg import sql

from accounts.models import School
from changes import lookups, registry
from changes.models import ChangeSet

Cell = tuple[uuid.UUID, str]


class Imported:
    """vanished: by entity type and roster id, the record that an import last called so, where it
    does not stand (any more)."""

    def __init__(self, school: School) -> None:
        self._school = school
        imports = ChangeSet.objects.filter(school=school, source=ChangeSet.Source.IMPORT)
        self._authors = set(imports.values_list("initiator_id", flat=True).distinct())
        self.vanished = self._vanished() if self._authors else {}

    def values(self, ids: Iterable[uuid.UUID]) -> dict[Cell, str | None]:
        """Return the latest value that an import gave each cell of these records."""
        if not self._authors:
            return {}
        with connection.cursor() as cursor:
            cursor.execute(
                _VALUES,
                {
                    "school": self._school.pk,
                    "authors": lookups.array(self._authors),
                    "ids": lookups.array(ids),
                },
            )
            return {(pk, name): value for pk, name, value in cursor.fetchall()}

    def _vanished(self) -> dict[tuple[str, str], uuid.UUID]:
        absent = sql.SQL(" and ").join(
            sql.SQL(
                "not exists (select from {} t"
                " where t.school_id = %(school)s and t.id = s.entity_id)"
            ).format(sql.Identifier(tracked.table))
            for tracked in registry.in_order()
        )
        with connection.cursor() as cursor:
            cursor.execute(
                _RECORDS + absent.as_string(None),
                {"school": self._school.pk, "authors": lookups.array(self._authors)},
            )
            return {(kind, source_id): pk for kind, source_id, pk in cursor.fetchall()}


# Of an author's changes of a record there is an index; of the source of a change none.
_FROM_IMPORTS = """
    from changes_change c
    join changes_changeset s on s.school_id = c.school_id and s.id = c.change_set_id
        and s.source = 'import'
    where c.school_id = %(school)s and c.author_id = any(%(authors)s::uuid[]) and c.kind = 'value'
      and not exists (select from changes_exclusion x
                      where x.school_id = c.school_id and x.change_id = c.id
                        and x.lifted_by_id is null)"""

_VALUES = f"""
    select distinct on (c.entity_id, c.field) c.entity_id, c.field, c.value {_FROM_IMPORTS}
      and c.entity_id = any(%(ids)s::uuid[])
    order by c.entity_id, c.field, s.received_at desc, s.id desc"""

_RECORDS = f"""
    with said as materialized (
        select distinct on (c.entity_type, c.value) c.entity_type, c.value, c.entity_id
        {_FROM_IMPORTS}
          and c.field = 'source_id' and c.value is not null
        order by c.entity_type, c.value, s.received_at desc, s.id desc)
    select s.entity_type, s.value, s.entity_id from said s where """  # noqa: S608 - made here
