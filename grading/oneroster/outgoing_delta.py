"""What the rows of each file say of what has changed since an instant.

A row goes out as `active` where what it says has changed, and as `tobedeleted` where the school has
no such row any more: what was reverted goes out with the value that came back, and with
`tobedeleted` when nothing did. `dateLastModified` is the instant of the decision, never a clock of
this machine. Memory grows with what has changed, not with the school. Call inside the school.

What is no cell of the ledger has no such instant: a person's account goes out again when the audit
log tells of a change of it.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from accounts.models import AuditLog, Membership, School
from changes import registry, since
from changes.since import Touched
from grading.models import Enrollment, Section
from grading.oneroster import outgoing
from grading.oneroster.headers import OWN
from grading.oneroster.outgoing import Ids, Sent, line_item_of, result_of, sourced_id

ACTIVE = {"status": "active"}
GONE = {"status": "tobedeleted"}

Whole = Callable[[School, Ids], Iterator[Sent]]
When = dict[uuid.UUID, dt.datetime]


@dataclass(slots=True)
class Delta:
    """What was touched, with what stood of it then and what stands now."""

    school: School
    number: int
    touched: dict[uuid.UUID, Touched]
    stood: dict[uuid.UUID, bool] = field(default_factory=dict)
    stands: set[uuid.UUID] = field(default_factory=set)
    parents: dict[uuid.UUID, Mapping[str, str]] = field(default_factory=dict)

    def of(self, kind: str) -> Iterator[Touched]:
        return (each for each in self.touched.values() if each.entity_type == kind)

    def changed(self, kind: str, *names: str) -> When:
        """The records of a type that came, went, got another id in the files, or have another
        value in one of these fields; and when."""
        wanted = {*names, "source_id"}
        return {
            each.entity_id: each.at
            for each in self.of(kind)
            if each.moved & wanted or self.stood[each.entity_id] != (each.entity_id in self.stands)
        }

    def renamed(self, kind: str) -> When:
        """The records of a type that have another id in the files."""
        return {each.entity_id: each.at for each in self.of(kind) if "source_id" in each.moved}

    def id_then(self, record: uuid.UUID) -> str:
        """What a record was called in the files then."""
        known = self.touched.get(record)
        cells = known.before if known else self.parents.get(record, {})
        return sourced_id(cells.get("source_id"), record)

    def listed(self, each: Touched) -> bool:
        """Whether an enrolment was among those of its class."""
        return self.stood[each.entity_id] and each.before.get("status", "enrolled") == "enrolled"


def since_instant(school: School, instant: dt.datetime) -> Delta:
    """Read what has changed since an instant. The number of statements does not grow with it."""
    number = since.first_decision(school, instant)
    delta = Delta(school, number, since.touched(school, number))
    kinds = registry.in_order()
    for tracked in kinds:
        ids = [each.entity_id for each in delta.of(tracked.entity_type)]
        delta.stands |= set(
            tracked.model._default_manager.filter(school=school, pk__among=ids).values_list(
                "pk", flat=True
            )
        )
    referred = {
        uuid.UUID(each.before[name.name])
        for tracked in kinds
        for each in delta.of(tracked.entity_type)
        for name in tracked.required
        if each.before.get(name.name)
    }
    untouched = referred - delta.touched.keys()
    delta.parents = since.values(school, untouched, number)
    # Parents come before children, and what is not touched stands now if it stood then.
    for tracked in kinds:
        for each in delta.of(tracked.entity_type):
            delta.stood[each.entity_id] = each.existed and all(
                delta.stood.get(parent, parent in delta.parents)
                for name in tracked.required
                for parent in [uuid.UUID(each.before.get(name.name, str(uuid.UUID(int=0))))]
            )
    return delta


def sessions(delta: Delta) -> Iterator[Sent]:
    own = OWN["academicSessions"].values()
    when = delta.changed("term", "name", "starts_on", "ends_on", *own)
    yield from _records(delta, "term", when, outgoing.sessions)


def courses(delta: Delta) -> Iterator[Sent]:
    when = delta.changed("course", "title", "code", *OWN["courses"].values())
    yield from _records(delta, "course", when, outgoing.courses)


def classes(delta: Delta) -> Iterator[Sent]:
    own = OWN["classes"].values()
    when = delta.changed("section", "code", "course", "term", "room", *own)
    for name, parents in (
        ("room", delta.changed("room", "name")),
        ("course", delta.changed("course", "title")),
        ("term", delta.renamed("term")),
    ):
        _with(when, Section, name, parents)
    yield from _records(delta, "section", when, outgoing.classes)


def people(delta: Delta, instant: dt.datetime) -> Iterator[Sent]:
    """Pupils, and teachers."""
    names = ("number", "given_names", "family_name", "email", "year_level", "programme")
    when = delta.changed("student", *names, *OWN["users"].values())
    yield from _records(delta, "student", when, outgoing.pupils, pupil=True)
    yield from _dated(outgoing.teachers(delta.school, when := _accounts(delta, instant)), when)


def demographics(delta: Delta) -> Iterator[Sent]:
    when = delta.changed("student", "birth_date")

    def was(each: Touched) -> bool:
        return delta.stood[each.entity_id] and "birth_date" in each.before

    yield from _records(delta, "student", when, outgoing.demographics, was=was, pupil=True)


def enrolments(delta: Delta) -> Iterator[Sent]:
    """Those of pupils, and of teachers."""
    when = delta.changed("enrollment", "student", "section", "status")
    _with(when, Enrollment, "student", delta.renamed("student"))
    _with(when, Enrollment, "section", delta.renamed("section"))
    here = set()
    for sent in _dated(outgoing.pupils_enrolments(delta.school, when), when):
        here.add(sent.cells["sourcedId"])
        yield sent
    org = sourced_id(delta.school.source_id, delta.school.pk)
    for each in delta.of("enrollment"):
        named = delta.id_then(each.entity_id)
        if each.entity_id in when and delta.listed(each) and named not in here:
            student, section = uuid.UUID(each.before["student"]), uuid.UUID(each.before["section"])
            cells = {
                "sourcedId": named,
                "classSourcedId": delta.id_then(section),
                "schoolSourcedId": org,
                "userSourcedId": delta.id_then(student),
                "role": "student",
            }
            yield _gone(each, cells, student)
    yield from _teaching(delta)


def _teaching(delta: Delta) -> Iterator[Sent]:
    when = delta.changed("section", "instructor")
    here = set()
    for sent in _dated(outgoing.teachers_enrolments(delta.school, when), when):
        here.add(sent.cells["sourcedId"])
        yield sent
    members = {
        str(user): sourced_id(source_id, member)
        for user, source_id, member in Membership.objects.filter(school=delta.school).values_list(
            "user_id", "source_id", "id"
        )
    }
    for each in delta.of("section"):
        teacher = members.get(each.before.get("instructor", ""))
        if each.entity_id in when and delta.stood[each.entity_id] and teacher:
            class_id = delta.id_then(each.entity_id)
            was = outgoing.teaches(delta.school, class_id, each.entity_id, teacher)
            if was.cells["sourcedId"] not in here:
                yield _gone(each, was.cells)


def line_items(delta: Delta) -> Iterator[Sent]:
    when = delta.changed("section", "scale", "term")
    _with(when, Section, "term", delta.changed("term", "starts_on", "ends_on"))
    yield from _records(delta, "section", when, outgoing.line_items, name=line_item_of)


def results(delta: Delta) -> Iterator[Sent]:
    """The marks and comments."""
    when = delta.changed("enrollment", "grade", "comment", "student", "section", "status")
    _with(when, Enrollment, "student", delta.renamed("student"))
    _with(when, Enrollment, "section", delta.changed("section", "scale"))
    here = set()
    for sent in _dated(outgoing.results(delta.school, when), when):
        here.add(sent.cells["sourcedId"])
        yield sent
    for each in delta.of("enrollment"):
        if not delta.listed(each) or not ({"grade", "comment"} & each.before.keys()):
            continue
        named = result_of(delta.id_then(each.entity_id))
        if each.entity_id in when and named not in here:
            student, section = uuid.UUID(each.before["student"]), uuid.UUID(each.before["section"])
            cells = {
                "sourcedId": named,
                "lineItemSourcedId": line_item_of(delta.id_then(section)),
                "studentSourcedId": delta.id_then(student),
                "scoreStatus": "not submitted",
            }
            yield _gone(each, cells, student)


def _records(
    delta: Delta,
    kind: str,
    when: When,
    whole: Whole,
    *,
    was: Callable[[Touched], bool] | None = None,
    name: Callable[[str], str] = str,
    pupil: bool = False,
) -> Iterator[Sent]:
    """Rows of which there is one for each record. `was`: whether there was one then. `name`: what
    it is called, by the sourcedId of its record."""
    here = set()
    for sent in _dated(whole(delta.school, when), when):
        here.add(sent.cells["sourcedId"])
        yield sent
    for each in delta.of(kind):
        there = was(each) if was else delta.stood[each.entity_id]
        named = name(delta.id_then(each.entity_id))
        if each.entity_id in when and there and named not in here:
            yield _gone(each, {"sourcedId": named}, each.entity_id if pupil else None)


def _dated(found: Iterable[Sent], when: When) -> Iterator[Sent]:
    for sent in found:
        yield sent._replace(cells={**sent.cells, **ACTIVE, **_at(when[sent.record])})


def _gone(each: Touched, cells: Mapping[str, str], pupil: uuid.UUID | None = None) -> Sent:
    return Sent(each.entity_id, {**cells, **GONE, **_at(each.at)}, pupil)


def _at(instant: dt.datetime) -> dict[str, str]:
    """An instant as the standard writes it: in UTC, with thousandths."""
    text = instant.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return {"dateLastModified": text.replace("+00:00", "Z")}


def _with(when: When, model: type[Section] | type[Enrollment], name: str, parents: When) -> None:
    """Add the records that refer to any of `parents`, as of when the parent changed."""
    found = model._default_manager.filter(**{f"{name}__among": parents.keys()})
    for record, parent in found.values_list("pk", f"{name}_id"):
        when[record] = max(parents[parent], when.get(record, parents[parent]))


def _accounts(delta: Delta, instant: dt.datetime) -> When:
    """The members that came or were changed, or teach a section that they did not teach."""
    by_user = dict(Membership.objects.filter(school=delta.school).values_list("user_id", "pk"))
    when: When = {}
    events = AuditLog.objects.filter(
        school=delta.school, event=AuditLog.Event.PEOPLE, at__gte=instant
    )
    for at, said in events.order_by("at").values_list("at", "metadata"):
        named: Collection[str] = said.get("members", ())
        found = [by_user.get(uuid.UUID(user)) for user in named]
        if member := said.get("membership"):
            found.append(uuid.UUID(member))
        when |= {each: at for each in found if each is not None}
    for each in delta.of("section"):
        teacher = each.now.get("instructor")
        if teacher and "instructor" in each.moved and (pk := by_user.get(uuid.UUID(teacher))):
            when[pk] = max(each.at, when.get(pk, each.at))
    return when
