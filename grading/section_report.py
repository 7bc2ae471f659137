"""How sections have changed (ADR-009): the rows of their history by term, field, direction and
date, in words and as CSV. Call inside a school."""

import csv
import dataclasses
import datetime as dt
import io
import uuid
from collections.abc import Iterable, Sequence

from django import forms
from django.db.models import (
    Case,
    DateField,
    Exists,
    F,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    UUIDField,
    When,
)
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from changes import naming, registry
from changes.formulas import guarded
from changes.models import Change, exclusions_in_force

from .models import CourseChangeHistory, Section, Term
from .section_rules import FIELD_NAMES

COLUMNS = ("When", "Term", "Section", "Course", "Field", "From", "To", "By", "Decision")
NO_LIMIT = 2**31 - 1
"""What a capacity that is not set counts as."""


class ReportForm(forms.Form):
    """What is asked of the history of sections."""

    term = forms.ModelChoiceField(
        Term.objects.none(), label="Term", required=False, empty_label="every term"
    )
    field = forms.ChoiceField(label="What changed", required=False)
    direction = forms.ChoiceField(
        label="Capacity",
        required=False,
        choices=[("", "either way"), ("less", "reductions"), ("more", "increases")],
    )
    start = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    end = forms.DateField(
        label="To, this day included",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    after_registration = forms.BooleanField(
        label="Only after registration opened",
        required=False,
        help_text="From the day on which registration for the term opened; of terms without such "
        "a day, nothing.",
    )

    def __init__(self, *args: object, terms: QuerySet[Term], **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        section = registry.get("section")
        named = sorted((section.field(name).label, name) for name in FIELD_NAMES)
        self.fields["term"].queryset = terms  # type: ignore[attr-defined]
        self.fields["field"].choices = [  # type: ignore[attr-defined]
            ("", "anything"),
            *((name, label) for label, name in named),
        ]


def of_section(section_id: uuid.UUID) -> QuerySet[CourseChangeHistory]:
    """Return the history of one section, the newest first."""
    return _newest_first().filter(section_id=section_id)


def rows(
    *,
    term: Term | None = None,
    field: str = "",
    direction: str = "",
    start: dt.date | None = None,
    end: dt.date | None = None,
    after_registration: bool = False,
) -> QuerySet[CourseChangeHistory]:
    """Return the rows that are asked for, the newest first: one SQL query, of plain columns. Those
    of a section that has vanished are of the term that it was in last.

    Args:
        direction: "less" or "more", of capacities; one that is not set counts as no limit.
        start, end: days of the school's calendar, both included.
        after_registration: on or after the day on which the term's registration opened.
    """
    found = _newest_first()
    if term:
        found = found.alias(its_term=_its_term()).filter(its_term=term.pk)
    if field:
        found = found.filter(field_name=FIELD_NAMES[field])
    if direction:
        found = found.annotate(was=_places("old_value"), became=_places("new_value")).filter(
            **{"became__lt" if direction == "less" else "became__gt": F("was")}
        )
    if start:
        found = found.filter(changed_at__date__gte=start)
    if end:
        found = found.filter(changed_at__date__lte=end)
    if after_registration:
        opens = Term.objects.filter(school_id=OuterRef("school_id"), pk=OuterRef("its_term"))
        found = found.alias(its_term=_its_term()).filter(
            changed_at__date__gte=Subquery(
                opens.values("registration_opens_on"), output_field=DateField()
            )
        )
    return found


def _its_term() -> Coalesce:
    """Return, for a query of the history, the term of each row's section: that of the table, or of
    one that has vanished the last that was approved, though a revert may have excluded it."""
    stands = Section.objects.filter(school_id=OuterRef("school_id"), pk=OuterRef("section_id"))
    was = Change.objects.filter(
        school_id=OuterRef("school_id"),
        entity_id=OuterRef("section_id"),
        field="term",
        status=Change.Status.APPROVED,
    ).order_by(Exists(exclusions_in_force()).asc(), "-position")
    return Coalesce(
        Subquery(stands.values("term_id")),
        Subquery(was.values("refers_to")[:1]),
        output_field=UUIDField(),
    )


def _newest_first() -> QuerySet[CourseChangeHistory]:
    return CourseChangeHistory.objects.select_related("changed_by", "decision").order_by(
        "-changed_at", "-id"
    )


def _places(column: str) -> Case:
    """Return a capacity as a number; null for the rows of other fields, whatever the planner
    looks at first."""
    number = Coalesce(Cast(column, IntegerField()), NO_LIMIT)
    return Case(When(field_name="capacity", then=number), output_field=IntegerField())


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of the history in words. ``section``: None of one that has vanished since."""

    row: CourseChangeHistory
    called: str
    section: Section | None
    field: str
    before: str
    after: str

    def texts(self) -> tuple[str, ...]:
        """Return the line as ``COLUMNS`` say."""
        section = self.section
        return (
            timezone.localtime(self.row.changed_at).isoformat(sep=" ", timespec="seconds"),
            str(section.term) if section else "",
            self.called,
            str(section.course) if section else "",
            self.field,
            self.before,
            self.after,
            str(self.row.changed_by),
            str(self.row.decision.number),
        )


def lines(found: Sequence[CourseChangeHistory]) -> list[Line]:
    """Return rows in words: rooms and people by name, never by id. The number of statements does
    not grow with them."""
    fields = {column: name for name, column in FIELD_NAMES.items()}
    tracked = registry.get("section")
    texts = naming.value_texts(
        ("section", fields[row.field_name], value)
        for row in found
        for value in (row.old_value, row.new_value)
    )
    titles = naming.titles(("section", row.section_id) for row in found)
    sections = Section.objects.select_related("course", "term").in_bulk(
        {row.section_id for row in found}
    )
    return [
        Line(
            row=row,
            called=titles[row.section_id],
            section=sections.get(row.section_id),
            field=tracked.field(name).label,
            before=texts["section", name, row.old_value],
            after=texts["section", name, row.new_value],
        )
        for row in found
        for name in [fields[row.field_name]]
    ]


def as_csv(said: Iterable[Line]) -> bytes:
    """Return lines as CSV, with the mark by which a spreadsheet knows UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for line in said:
        writer.writerow([guarded(text) for text in line.texts()])
    return out.getvalue().encode("utf-8-sig")
