"""The remarks on a home group's term, as one person sees them, and what they typed there. Call
inside a school; the number of statements does not grow with the pupils.

Beside each remark travels what the page showed there, as on the mark sheet.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import QuerySet

from accounts.models import Membership
from accounts.origin import Origin
from accounts.plain import counted, plain
from changes import overlay
from changes.overlay import Cell, Record
from changes.propose import Draft, Saved, creation, propose
from changes.visible import shows
from students.models import Student

from .access import is_restricted
from .missing_pupil import key_of
from .models import Enrollment, Term
from .sheet import digest_of


@dataclasses.dataclass
class Line:
    """A pupil, and their remark if there is one. ``refused``: why what was typed was not saved;
    then ``typed`` is what stands in the form."""

    pupil: Student
    record: Record | None
    typed: str | None = None
    refused: str = ""

    @property
    def name(self) -> str:
        return f"r-{self.pupil.pk.hex}"

    @property
    def cell(self) -> Cell:
        return self.record.cell("text") if self.record else Cell()

    @property
    def state(self) -> str:
        return self.cell.state.value

    @property
    def text(self) -> str:
        return self.typed if self.typed is not None else self.cell.value or ""

    @property
    def in_textarea(self) -> str:
        """The text with a line break before it, which browsers drop, be it the first of two."""
        return f"\n{self.text}"

    @property
    def seen(self) -> str:
        head = self.cell.head.hex if self.cell.head else ""
        return f"{head}.{digest_of(self.cell.value or '')}"

    @property
    def may_withdraw(self) -> bool:
        """Whether one's own waiting text can be taken back by itself."""
        return bool(self.record and self.record.stands)


def groups(by: Membership) -> list[str]:
    """Return the home groups whose remarks somebody may write."""
    found = _pupils(by).exclude(home_group="").values_list("home_group", flat=True)
    return sorted(found.distinct(), key=counted)


def of_group(group: str, term: Term, *, by: Membership) -> list[Line]:
    """Return the pupils of a home group, with their remarks as ``by`` sees them."""
    pupils = sorted(
        _pupils(by).filter(home_group=group).distinct(),
        key=lambda each: (plain(each.family_name), plain(each.given_names), each.pk),
    )
    ids = overlay.referring("remark", "student", [each.pk for each in pupils], by=by)
    of_pupil: dict[uuid.UUID | None, Record] = {}
    for record in overlay.see("remark", ids, by=by).values():
        if record.exists and record.reference("term") == term.pk:
            its = record.reference("student")
            if its not in of_pupil or record.stands:  # one that stands, rather than one's own new
                of_pupil[its] = record
    return [Line(each, of_pupil.get(each.pk)) for each in pupils]


def save(
    lines: Sequence[Line],
    term: Term,
    sent: Mapping[str, str],
    *,
    by: Membership,
    origin: Origin,
    key: str,
) -> Saved:
    """Propose the remarks that were typed, each by itself; what is refused stands in its line."""
    drafts: dict[str, list[Draft]] = {}
    for line in lines:
        head, _, digest = sent.get(f"{line.name}-seen", ".").partition(".")
        if line.name in sent and digest_of(sent[line.name]) != digest:
            drafts[line.name] = _drafts(line, term, sent[line.name], _uuid(head))
    facts = sorted(f"{name}={sent[name]}" for name in drafts)
    saved = propose(
        [each for some in drafts.values() for each in some],
        by=by,
        origin=origin,
        take_back=True,
        idempotency_key=key_of("remarks", key, str(term.pk), *facts),
    )
    _tell(lines, drafts, saved.refused, sent)
    return saved


def _tell(
    lines: Iterable[Line],
    drafts: Mapping[str, Sequence[Draft]],
    refused: Iterable[Draft],
    sent: Mapping[str, str],
) -> None:
    reasons: dict[uuid.UUID, str] = {}
    for draft in refused:
        # A new record is refused cell by cell; the text says most.
        if draft.refused and (draft.field == "text" or draft.entity_id not in reasons):
            reasons[draft.entity_id] = draft.refused
    for line in lines:
        for draft in drafts.get(line.name, ()):
            if draft.entity_id in reasons:
                line.refused, line.typed = reasons[draft.entity_id], sent[line.name]


def _drafts(line: Line, term: Term, typed: str, base: uuid.UUID | None) -> list[Draft]:
    if line.record:
        return [
            Draft(
                entity_type="remark",
                entity_id=line.record.id,
                field="text",
                typed=typed,
                base=base,
            )
        ]
    if not shows(typed):
        return []
    return creation("remark", {"student": str(line.pupil.pk), "term": str(term.pk), "text": typed})


def _pupils(by: Membership) -> QuerySet[Student]:
    found = Student.objects.filter(school_id=by.school_id)
    if is_restricted(by):
        found = found.filter(
            enrollments__status=Enrollment.Status.ENROLLED,
            enrollments__section__instructor_id=by.user_id,
        )
    return found


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
