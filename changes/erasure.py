"""Erasing a person by law: their values leave the ledger and its history, the rows stay.

The one act that changes facts, and so the one that the serving role cannot do: it is done as the
role that owns the tables (``manage.py erase_person``). It is a decision in the chain like any
other, by no person but with who ordered it and why, so that it cannot be done unseen.

What is erased with its salt can be read from no commitment; the chain covers commitments only, and
still holds. Backups, files that left the installation and the mailboxes of people are beyond it.
"""

import contextlib
import dataclasses
import json
import re
import uuid
from collections.abc import Collection, Iterator

from django.db import connection, connections
from django.db.models import Q
from psycopg import sql

from accounts.in_school import enter
from accounts.models import AuditLog, Membership, School, User
from accounts.origin import Origin
from accounts.privileges import append_only_tables

from . import registry
from .deciding import Act, deciding
from .models import Change, ChangeSet, Decision
from .projector import Cell
from .registry import EXISTS

RULE = "erased by law"
ERASED = "[erased]"


class CannotErase(Exception):
    """Says in a sentence why, and what to do."""


@dataclasses.dataclass
class Erased:
    """How much went: changes whose value, or whose origin, was erased, and texts elsewhere."""

    changes: int = 0
    texts: int = 0
    decisions: list[int] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def as_owner() -> Iterator[None]:
    """Do what is inside as the role that owns the tables. Raises CannotErase where one role does
    both. Goes around ``enter``."""
    if "owner" not in connections:
        raise CannotErase(
            "DATABASE_OWNER_URL is not set: only the role that owns the tables can erase."
        )
    serving = connections["default"]
    connections["default"] = connections["owner"]
    try:
        yield
    finally:
        connections["default"] = serving


def erase_record(
    entity_type: str,
    entity_id: uuid.UUID,
    *,
    words: Collection[str],
    school: School,
    ordered_by: str,
    why: str,
) -> Erased:
    """Erase a record that stands for a person, with all that cannot be without it.

    What they held goes from every change, and the records vanish: the decision excludes their
    changes. ``words``, their names and addresses, go from every other text of the school.

    Call inside the school, as owner.
    """
    erased = Erased()
    records = with_dependents(entity_type, entity_id)
    changes = Change.objects.filter(entity_id__among={one for _, one in records})
    with _without_guards(), _erasing(school, ordered_by, why, entity_id) as act:
        touched: list[Cell] = [(kind, one, EXISTS) for kind, one in records]
        act.exclude(list(changes.values_list("pk", flat=True)))
        erased.changes = changes.update(value=None, old_value=None, refers_to=None, salt=None)
        for tracked in registry.in_order():
            ids = {one for kind, one in records if kind == tracked.entity_type}
            if ids:
                tracked.rules.erase(ids)
        erased.texts = _scrub(words, school, touched)
        act.project(touched)
        erased.decisions.append(act.number)
    return erased


def erase_user(user: User, *, ordered_by: str, why: str) -> Erased:
    """Erase somebody who has an account, in each of their schools: name, addresses, browsers.

    What they proposed and decided stays, as an erased person's; that it is what they sent can then
    be shown no more. The account is closed. Call outside every school, as owner, in a transaction.
    """
    erased = Erased()
    words = {user.email, user.name} - {""}
    for member in Membership.objects.filter(user=user).select_related("school").order_by("id"):
        with (
            enter(member.school),
            _without_guards(),
            _erasing(member.school, ordered_by, why, user.pk) as act,
        ):
            touched: list[Cell] = []
            origin = {"ip": None, "user_agent": "", "session": ""}
            of_school = {"school": member.school}
            erased.changes += Change.objects.filter(author_id=user.pk, **of_school).update(
                salt=None
            )
            ChangeSet.objects.filter(initiator_id=user.pk, **of_school).update(**origin)
            Decision.objects.filter(decided_by_id=user.pk, **of_school).update(salt=None, **origin)
            AuditLog.objects.filter(Q(school=member.school) | Q(school=None), user=user).update(
                ip=None, user_agent="", metadata={}
            )
            AuditLog.objects.filter(school=None, detail__iexact=user.email).update(
                ip=None, user_agent="", metadata={}, detail=ERASED
            )
            erased.texts += _scrub(words, member.school, touched)
            act.project(touched)
            erased.decisions.append(act.number)
        Membership.objects.filter(pk=member.pk).update(is_active=False)
    user.email = f"{user.pk}@erased.invalid"
    user.name = "Erased person"
    user.is_active = False
    user.set_unusable_password()
    user.save()
    return erased


def _scrub(words: Collection[str], school: School, touched: list[Cell]) -> int:
    """Replace words in every text of a school's tables, which are found in the catalogue; in the
    ledger with the salt. Add the cells whose values were among them to ``touched``, for the
    projector, and return how many rows were changed."""
    rows = 0
    for word in sorted(words, key=len, reverse=True):
        for table, columns in _texts().items():
            rows += _scrub_table(table, columns, word, school, touched)
    return rows


def _scrub_table(
    table: str,
    columns: list[tuple[str, str]],
    word: str,
    school: School,
    touched: list[Cell],
) -> int:
    is_change = table == Change._meta.db_table
    sets: list[sql.Composable] = []
    finds: list[sql.Composable] = []
    for column, kind in columns:
        names = {
            "column": sql.Identifier(column),
            "kind": sql.SQL(kind),
            "word": sql.Placeholder("json" if kind == "jsonb" else "text"),
        }
        sets.append(
            sql.SQL(
                "{column} = regexp_replace({column}::text, {word}, %(erased)s, 'gi')::{kind}"
            ).format(**names)
        )
        finds.append(sql.SQL("{column}::text ~* {word}").format(**names))
    if is_change or table == Decision._meta.db_table:
        sets.append(sql.SQL("salt = null"))
    statement = sql.SQL("update {} set {} where school_id = %(school)s and ({}) {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sets),
        sql.SQL(" or ").join(finds),
        sql.SQL("returning entity_type, entity_id, field" if is_change else ""),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            statement.as_string(None),
            {
                "school": school.pk,
                "erased": ERASED,
                "text": _whole_word(word),
                "json": _whole_word(json.dumps(word, ensure_ascii=False)[1:-1]),
            },
        )
        if is_change:
            touched += cursor.fetchall()
        return cursor.rowcount


def _whole_word(word: str) -> str:
    """Return a regular expression of PostgreSQL that finds a word, and not as part of another."""
    quoted = re.sub(r"([^\w\s])", r"\\\1", word)
    return rf"(?<!\w){quoted}(?!\w)"


def _texts() -> dict[str, list[tuple[str, str]]]:
    """Return, by the table of a school that the projector does not write, its columns of text or
    JSON, with their types."""
    projected = {tracked.table for tracked in registry.in_order()}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select c.table_name, c.column_name, c.udt_name from information_schema.columns c
            join information_schema.tables t using (table_schema, table_name)
            where table_schema = 'public' and t.table_type = 'BASE TABLE'
              and c.udt_name in ('text', 'varchar', 'jsonb')
              and exists (select 1 from information_schema.columns s
                          where s.table_schema = 'public' and s.table_name = c.table_name
                            and s.column_name = 'school_id')
            order by 1, 2
            """
        )
        found: dict[str, list[tuple[str, str]]] = {}
        for table, column, kind in cursor.fetchall():
            if table not in projected:
                found.setdefault(table, []).append((column, kind))
        return found


def with_dependents(entity_type: str, entity_id: uuid.UUID) -> set[tuple[str, uuid.UUID]]:
    """Return a record and those that cannot be without it: which name it, or named it last."""
    records = {(entity_type, entity_id)}
    for tracked in registry.in_order():
        for field in tracked.required:
            if field.reference and field.reference.entity_type == entity_type:
                naming = Change.objects.filter(
                    entity_type=tracked.entity_type, field=field.name, refers_to=entity_id
                )
                named = set(naming.values_list("entity_id", flat=True))
                standing = tracked.model._default_manager.filter(pk__in=named)
                moved_away = standing.exclude(**{field.column: entity_id})
                named -= set(moved_away.values_list("pk", flat=True))
                records |= {(tracked.entity_type, one) for one in named}
    return records


@contextlib.contextmanager
def _erasing(school: School, ordered_by: str, why: str, person_id: uuid.UUID) -> Iterator[Act]:
    with deciding(
        Decision.Kind.ERASE,
        school=school,
        by=None,
        origin=Origin(),
        rule=RULE,
        reason=f"Ordered by {ordered_by}: {why}",
        criteria={"erased": str(person_id)},
    ) as act:
        yield act


@contextlib.contextmanager
def _without_guards() -> Iterator[None]:
    """Let the owner change what only grows, and what a message says, until the end of the block;
    nobody else writes there meanwhile."""
    _alter("disable trigger user, no force row level security")
    yield
    _alter("enable trigger user, force row level security")


def _alter(how: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")  # or the tables could not be altered
        for table in sorted(append_only_tables().keys() | _texts().keys()):
            statement = sql.SQL("alter table {} " + how).format(sql.Identifier(table))
            cursor.execute(statement.as_string(None))
        cursor.execute("set constraints all deferred")
