"""A school with a long history: up to millions of changes, for measuring at the size of years.

Proposing and approving a million changes through the doors would take minutes, so the ledger is
filled by SQL, as its owner, and the projector then folds it into the tables; what stands there is
what the doors would have made of it. Not as they would: the salts and commitments of the changes
and the digests of the decisions are only of the right length.

In layers, each approved after the one before: pupils; sections of 30; enrolments; a mark of each
by the class's teacher; a comment of each; a second mark of every other one by a colleague. Then
two misused accounts give marks of their own, one in few places and one in many, and in every tenth
of these the teacher gives a third mark afterwards.
"""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connections, transaction

from accounts.in_school import enter
from accounts.models import Membership, School, User
from changes import projector
from changes.deciding import lock
from changes.models import Change, LedgerHead

from . import bare, school
from .timing import timed

PER_CLASS = 30
PER_DECISION = 5000
PER_SAVE = 60
ELSEWHERE = "203.0.113.77"


@dataclasses.dataclass(frozen=True)
class History:
    """The school, its misused accounts, what each typed, and how long the first rebuild took."""

    its: school.Measured
    few: Membership
    many: Membership
    few_changes: int
    many_changes: int
    changes: int
    rebuilt_in: float
    moved: int

    @property
    def school(self) -> School:
        return self.its.school

    def rows(self, count: int) -> list[uuid.UUID]:
        """Return so many enrolments."""
        with enter(self.school), connections["default"].cursor() as cursor:
            cursor.execute(
                "select id from grading_enrollment where school_id = %s order by id limit %s",
                [self.school.pk, count],
            )
            return [row[0] for row in cursor.fetchall()]


def make(changes: int, *, few: int, many: int) -> History:
    """Make a school with about so many changes; ``few`` and ``many`` of the misused accounts."""
    founded = school.found(f"School of {changes}")
    with enter(founded):
        its = school.furnish(founded)
        misused = [_person(founded, name) for name in ("few", "many")]
        first = LedgerHead.objects.get(pk=founded.pk)
    # A pupil is 4 changes and in ten classes, a class 6 and of 30, an enrolment 5.5.
    enrollments = _whole_classes(round((changes - 1.1 * (few + many)) / 6.1))
    layers = _Layers(its, misused, first, enrollments, few, many)
    layers.write()
    bare.analyze()
    moved: list[int] = []

    def rebuild() -> None:
        with enter(founded):
            lock(founded)
            moved.append(projector.rebuild(founded))

    took = timed(rebuild)
    bare.analyze()
    with enter(founded):
        count = Change.objects.count()
    return History(its, misused[0], misused[1], few, many, count, took, moved[0])


def _person(its: School, name: str) -> Membership:
    user = User.objects.create_user(
        f"{name}.{its.slug}@misused.example", name=f"Misused {name.title()}"
    )
    return Membership.objects.create(school=its, user=user, role="teacher")


def _whole_classes(enrollments: int) -> int:
    return max(enrollments // PER_CLASS, 1) * PER_CLASS


class _Layers:
    """Writes the layers, one after the other, as the owner of the tables."""

    def __init__(
        self,
        its: school.Measured,
        misused: list[Membership],
        first: LedgerHead,
        enrollments: int,
        few: int,
        many: int,
    ) -> None:
        self.its = its
        self.misused = misused
        self.position = first.last_position
        self.decision = first.last_decision
        self.enrollments = enrollments
        self.few, self.many = few, many
        self.pupils = max(enrollments // 300, 1) * PER_CLASS  # ten classes a pupil
        self.starts: dict[str, int] = {}
        self.sets = 0

    def write(self) -> None:
        connection = connections["owner"]
        with enter_as_owner(self.its.school), connection.cursor() as cursor:
            self.cursor = cursor
            cursor.execute("alter table changes_change disable trigger begins_provisional")
            cursor.execute(_IDENTIFIER.format(school=self.its.school.pk))
            self._layers()
            cursor.execute(
                "update changes_ledgerhead set last_position = %s, last_decision = %s,"
                " last_digest = sha256('bench') where school_id = %s",
                [self.position, self.decision, self.its.school.pk],
            )
            cursor.execute("set constraints all immediate")
            cursor.execute("alter table changes_change enable trigger begins_provisional")

    def _layers(self) -> None:
        its, office = self.its, self.its.office
        e, sections = self.enrollments, self.enrollments // PER_CLASS
        for field, value in (
            ("exists", "'true'"),
            ("number", "'P' || n"),
            ("given_names", "'Given' || n"),
            ("family_name", "'Family' || n"),
        ):
            self._layer(f"student {field}", "student", field, value, self.pupils, office)
        for field, value, refers in (
            ("exists", "'true'", False),
            ("course", f"'{its.course}'", True),
            ("term", f"'{its.term}'", True),
            ("code", "'C' || n", False),
            ("scale", f"'{its.scale.pk}'", False),
            ("instructor", f"'{its.teacher.user_id}'", False),
        ):
            name = f"section {field}"
            self._layer(name, "section", field, value, sections, office, refers=refers)
        pupil = f"pg_temp.bench_id(10, n %% {self.pupils})::text"
        section = f"pg_temp.bench_id(11, n / {PER_CLASS})::text"
        for field, value, refers in (
            ("exists", "'true'", False),
            ("student", pupil, True),
            ("section", section, True),
        ):
            self._layer(f"enrollment {field}", "enrollment", field, value, e, office, refers=refers)
        self._layer("mark", "enrollment", "grade", _mark(0), e, its.teacher)
        comment = "'Pupil ' || n || ' has worked steadily, and asks good questions in class.'"
        self._layer("comment", "enrollment", "comment", comment, e, its.teacher)
        halves = "n * 2"
        self._layer("second", "enrollment", "grade", _mark(13), e // 2, its.colleague, at=halves)
        few, many = self.misused
        self._layer("few", "enrollment", "grade", _mark(20), self.few, few)
        later = f"n + {self.few}"
        self._layer("many", "enrollment", "grade", _mark(20), self.many, many, at=later)
        count = (self.few + self.many) // 10
        self._layer("third", "enrollment", "grade", _mark(40), count, its.teacher, at="n * 10")

    def _layer(
        self,
        name: str,
        entity_type: str,
        field: str,
        value: str,
        count: int,
        author: Membership,
        *,
        refers: bool = False,
        at: str = "n",
    ) -> None:
        """Insert a change for each of the first ``count`` numbers: of the entity whose number is
        ``at`` (an expression over n), with a value (the same, over the entity's number)."""
        if not count:
            return
        # A mark given over another is a correction, based on what stood there.
        base, old, number, two = "null::uuid", "null", "1", "false"
        if name in {"second", "few", "many", "third"}:
            two = "true"
            number = "2" if name == "third" else "1"
            mark, second = self.starts["mark"], self.starts.get("second", 0)
            base, old = f"pg_temp.bench_id(1, {mark} + n)", _mark(0)
            if name in {"few", "many"}:
                is_second = f"n %% 2 = 0 and n / 2 < {self.enrollments // 2}"
                base = (
                    f"case when {is_second} then pg_temp.bench_id(1, {second} + n / 2)"
                    f" else {base} end"
                )
                old = f"case when {is_second} then {_mark(13)} else {old} end"
            if name == "third":
                few, many = self.starts["few"], self.starts.get("many", 0) - self.few
                base = (
                    f"pg_temp.bench_id(1, n + case when n < {self.few} then {few} else {many} end)"
                )
                old = _mark(20)
        decisions = -(-count // PER_DECISION)
        sets = -(-count // PER_SAVE)
        parameters: dict[str, Any] = {
            "school": self.its.school.pk,
            "author": author.user_id,
            "office": self.its.second.user_id
            if author == self.its.office
            else self.its.office.user_id,
            "ip": ELSEWHERE if author in self.misused else "192.0.2.14",
            "count": count,
            "sets": sets,
            "decisions": decisions,
            "first_set": self.sets,
            "first_decision": self.decision,
            "position": self.position,
            "type": entity_type,
            "field": field,
            "kind": {"student": 10, "section": 11, "enrollment": 12}[entity_type],
        }
        for statement in (
            _SETS,
            _DECISIONS,
            _CHANGES.format(
                at=at,
                value=value,
                refers="value::uuid" if refers else "null",
                base=base,
                old=old,
                number=number,
                two_people=two,
                per_save=PER_SAVE,
                per_decision=PER_DECISION,
            ),
            *([_CORRECTIONS] if two == "true" else []),
        ):
            self.cursor.execute(statement, parameters)
        self.starts[name] = self.position + 1
        self.position += count
        self.decision += decisions
        self.sets += sets


@contextlib.contextmanager
def enter_as_owner(its: School) -> Iterator[None]:
    """Run the block in one transaction of the owner, which row-level security holds as well."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("select set_config('schoolmarks.school', %s, true)", [str(its.pk)])
        yield


def _mark(shift: int) -> str:
    """Return SQL for a mark of enrolment n that differs from those of other shifts."""
    return f"((n * 7 + {shift}) %% 101)::text"


# Ids that rise with their number, as those of version 7 do, and can be computed from it.
_IDENTIFIER = """
    create or replace function pg_temp.bench_id(tag int, n bigint) returns uuid
    language sql immutable as $$
        select (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || lpad(to_hex(tag), 3, '0')
                || '8' || substr(md5('{school} ' || tag || ' ' || n), 1, 15))::uuid
    $$"""

_SETS = """
    insert into changes_changeset (id, school_id, initiator_id, ip, user_agent, session,
                                   received_at, source, reason)
    select pg_temp.bench_id(2, %(first_set)s + n), %(school)s, %(author)s, %(ip)s, 'bench', '',
           timestamptz '2026-09-01 08:00+00' + (%(first_set)s + n) * interval '10 seconds',
           'browser', 'as it was'
    from generate_series(0, %(sets)s - 1) n"""

_DECISIONS = """
    insert into changes_decision (id, school_id, number, kind, decided_by_id, rule, ip, user_agent,
                                  session, decided_at, reason, criteria, digest)
    select pg_temp.bench_id(3, %(first_decision)s + 1 + n), %(school)s,
           %(first_decision)s + 1 + n, 'approve', %(office)s, '', '192.0.2.2', 'bench', '',
           timestamptz '2026-09-01 08:00+00' + (%(first_set)s + %(sets)s) * interval '10 seconds',
           '', '{}', sha256(n::text::bytea)
    from generate_series(0, %(decisions)s - 1) n"""

_CHANGES = """
    insert into changes_change (
        id, school_id, change_set_id, author_id, entity_type, entity_id, field, kind, value,
        refers_to, number, base_change_id, old_value, two_people, salt, commitment, status,
        position, decision_id, decided_by_id)
    select pg_temp.bench_id(1, %(position)s + 1 + k), %(school)s,
           pg_temp.bench_id(2, %(first_set)s + k / {per_save}), %(author)s, %(type)s,
           pg_temp.bench_id(%(kind)s, n), %(field)s, 'value', value, {refers}, {number}, {base},
           {old}, {two_people}, decode(md5(k::text), 'hex'), sha256(k::text::bytea), 'approved',
           %(position)s + 1 + k,
           pg_temp.bench_id(3, %(first_decision)s + 1 + k / {per_decision}), %(office)s
    from (select n as k, {at} as n from generate_series(0, %(count)s - 1) n) numbers
    cross join lateral (select {value} as value) v"""

_CORRECTIONS = """
    insert into grading_gradecorrection (
        id, school_id, enrollment_id, kind, change_id, old_grade, new_grade, reason,
        submitted_by_id, submitted_at, status, approved_by_id, approved_at, decision_id)
    select pg_temp.bench_id(4, c.position), c.school_id, c.entity_id, 'correction', c.id,
           c.old_value, c.value, 'as it was', c.author_id, d.decided_at, 'approved',
           c.decided_by_id, d.decided_at, d.id
    from changes_change c
    join changes_decision d on d.school_id = c.school_id and d.id = c.decision_id
    where c.school_id = %(school)s and c.position > %(position)s"""
