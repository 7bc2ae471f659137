"""The office's page of how far the classes of a term are, and reminding who is to hand in."""

import dataclasses
import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest
from accounts.models import OutboxMessage, User
from accounts.plain import plain
from accounts.posting import posted_or_back_to

from . import board, class_list, reminders
from .board import Progress, State
from .completion import area_key
from .models import Term
from .sheet import digest_of

CLASSES_ON_A_PAGE = 100
REMINDED_WITHIN = dt.timedelta(days=120)
SOON = dt.timedelta(days=7)
NOBODY = "nobody"
NO_AREA = "-"

DUE = (
    ("late", "late: its last day has passed"),
    ("soon", "within the next seven days"),
    ("later", "later than that"),
    ("open", "no last day"),
)
GROUPED_BY = (
    ("teacher", "teacher"),
    ("area", "subject area"),
    ("course", "course"),
    ("due", "last day"),
)


class Filters(forms.Form):
    """What of the board is looked at. The choices are those of the term."""

    q = forms.CharField(label="Class, course or teacher", required=False, max_length=100)
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "all"), *((each.value, each.label) for each in State)],
    )
    teacher = forms.ChoiceField(label="Teacher", required=False)
    area = forms.ChoiceField(label="Subject area", required=False)
    course = forms.ChoiceField(label="Course", required=False)
    due = forms.ChoiceField(label="Last day", required=False, choices=[("", "all"), *DUE])
    by = forms.ChoiceField(label="Grouped by", required=False, choices=GROUPED_BY)

    def __init__(self, data: QueryDict, *, classes: Sequence[Progress], today: dt.date) -> None:
        super().__init__(data)
        self.classes, self.today = classes, today
        teachers = {_teacher_key(each): _teacher(each) for each in classes}
        areas = {_area_key(each): _area(each) for each in classes}
        courses = {str(each.section.course_id): str(each.section.course) for each in classes}
        for name, found in (("teacher", teachers), ("area", areas), ("course", courses)):
            choices = sorted(found.items(), key=lambda pair: (plain(pair[1]), pair[0]))
            self.fields[name].choices = [("", "all"), *choices]  # type: ignore[attr-defined]

    def chosen(self) -> list[Progress]:
        """Return the classes that the filters let through: none, where one is not understood."""
        if not self.is_valid():
            return []
        wanted = self.cleaned_data
        words = wanted["q"].casefold().split()
        return [
            each
            for each in self.classes
            if wanted["state"] in ("", each.state)
            and wanted["teacher"] in ("", _teacher_key(each))
            and wanted["area"] in ("", _area_key(each))
            and wanted["course"] in ("", str(each.section.course_id))
            and wanted["due"] in ("", due(each, self.today))
            and all(word in _sought(each) for word in words)
        ]

    @property
    def grouped_by(self) -> str:
        return (self.cleaned_data.get("by") if self.is_valid() else "") or "teacher"

    @property
    def are_set(self) -> bool:
        return any(self.data.get(name) for name in self.fields if name != "by")


def due(each: Progress, today: dt.date) -> str:
    """Return by which of ``DUE`` a class is found: late are those that are still to be handed in
    after their last day; what is handed in, or has no pupils, is due no more."""
    if each.closes_on is None:
        return "open"
    if not each.is_to_hand_in:
        return ""
    if each.closes_on < today:
        return "late"
    return "soon" if each.closes_on <= today + SOON else "later"


def _due_or_late(classes: Iterable[Progress], today: dt.date) -> list[Progress]:
    """Return the classes to be handed in whose last day is today or has passed."""
    return [
        each
        for each in classes
        if each.is_to_hand_in and each.closes_on is not None and each.closes_on <= today
    ]


@dataclasses.dataclass(frozen=True)
class Shown:
    """A class with what the page says beside it."""

    progress: Progress
    late: bool
    reminder: OutboxMessage | None


@require_safe
def of_term(request: MemberRequest) -> HttpResponseBase:
    """How far every class of a term is: a picture, counts, and a list with filters."""
    now, member = timezone.now(), request.member
    today = timezone.localdate(now)
    terms = class_list.terms(member)
    term = _term(request.GET, terms, today)
    classes = board.of_term(term, by=member) if term else []
    filters = Filters(request.GET, classes=classes, today=today)
    chosen = filters.chosen()
    reminded = reminders.latest(now - REMINDED_WITHIN, by=member)
    shown = [_shown(each, today, reminded) for each in chosen]
    due_or_late = reminders.whom(_due_or_late(chosen, today), school=member.school)
    to_remind = reminders.whom(chosen, school=member.school)
    asked = request.GET.copy()
    asked.pop("page", None)
    context = {
        "terms": terms,
        "term": term,
        "filters": filters,
        "counts": _counts(classes),
        "total": len(classes),
        "late": sum(each.is_late(today) for each in classes),
        "groups": _groups(shown, filters.grouped_by),
        "page": Paginator(shown, CLASSES_ON_A_PAGE).get_page(request.GET.get("page")),
        "rest_of_query": asked.urlencode(),
        "asked": [(name, value) for name, value in asked.items() if value],
        "due_or_late": due_or_late,
        "to_hand_in_now": sum(len(some) for some in due_or_late.values()),
        "to_remind": to_remind,
        "to_hand_in": sum(len(some) for some in to_remind.values()),
        "without_teacher": sum(
            each.is_to_hand_in and each.section.instructor_id is None for each in chosen
        ),
    }
    return TemplateResponse(request, "grading/board.html", context)


@posted_or_back_to("admin:board")
def remind(request: MemberRequest) -> HttpResponseBase:
    """Remind the teachers of the classes that the filters of the page let through: of those that
    are due today or late, or with ``whom=all`` of all that are to be handed in. Without ``sure``,
    say first who they are: a mail that has left cannot be taken back. Say it again where they are
    others by now than were said."""
    today = timezone.localdate(request.origin.at)
    asked = request.POST.copy()
    for name in ("csrfmiddlewaretoken", "school", "page", "whom", "sure", "shown"):
        asked.pop(name, None)
    term = _term(asked, class_list.terms(request.member), today)
    if term is None:
        raise Http404
    classes = board.of_term(term, by=request.member)
    chosen = Filters(asked, classes=classes, today=today).chosen()
    everybody = request.POST.get("whom") == "all"
    if not everybody:
        chosen = _due_or_late(chosen, today)
    found = reminders.whom(chosen, school=request.member.school)
    is_sure = "sure" in request.POST
    if found and not (is_sure and request.POST.get("shown") == digest_of(_listed(found))):
        return _ask_to_remind(request, found, asked, everybody=everybody, again=is_sure)
    link = request.build_absolute_uri(reverse("classes"))
    reminded, already = reminders.remind(
        term, chosen, link=link, by=request.member, origin=request.origin
    )
    if reminded:
        messages.success(request, f"Reminded by e-mail: {_people(reminded)}.")
    if already:
        messages.info(request, f"Had been reminded today already: {_people(already)}.")
    if not reminded and not already:
        which = "to be handed in" if everybody else "due today or late"
        messages.info(request, f"Nobody was reminded: none of these classes is {which}.")
    return redirect(f"{reverse('admin:board')}?{asked.urlencode()}")


def _ask_to_remind(
    request: MemberRequest,
    found: Mapping[User, Sequence[Progress]],
    asked: QueryDict,
    *,
    everybody: bool,
    again: bool,
) -> HttpResponseBase:
    """Say who would be written to, of which classes. ``again``: others were said before."""
    people = "1 teacher" if len(found) == 1 else f"{len(found)} teachers"
    context = {
        "title": f"Remind {people}?",
        "back": ("Board", "admin:board"),
        "back_to": f"{reverse('admin:board')}?{asked.urlencode()}",
        "told": ["One e-mail to each. Who was reminded today already is left alone."],
        "trouble": "Who is to be reminded, or of which classes, has changed since you looked."
        if again
        else "",
        "listed": _listed(found).splitlines(),
        "asked": [
            *asked.items(),
            ("whom", "all" if everybody else "late"),
            ("shown", digest_of(_listed(found))),
        ],
        "button": f"Remind {people}",
    }
    return TemplateResponse(request, "admin/sure.html", context, status=409 if again else 200)


def _listed(found: Mapping[User, Sequence[Progress]]) -> str:
    """Return who is to be reminded of which classes, a line for each."""
    return "\n".join(
        f"{teacher} ({teacher.email}): {', '.join(str(each.section) for each in classes)}"
        for teacher, classes in found.items()
    )


def _term(asked: QueryDict, terms: Sequence[Term], today: dt.date) -> Term | None:
    by_id = {str(term.pk): term for term in terms}
    return by_id.get(asked.get("term", "")) or class_list.current_term(terms, today)


def _counts(classes: Iterable[Progress]) -> list[tuple[State, int, int]]:
    """Return each state that occurs, how many classes are in it, and how many come before it."""
    counted = Counter(each.state for each in classes)
    found, before = [], 0
    for state in State:
        if counted[state] or state != State.EMPTY:
            found.append((state, counted[state], before))
            before += counted[state]
    return found


def _shown(each: Progress, today: dt.date, reminded: dict[uuid.UUID, OutboxMessage]) -> Shown:
    teacher_id = each.section.instructor_id
    return Shown(each, each.is_late(today), reminded.get(teacher_id) if teacher_id else None)


def _groups(shown: Sequence[Shown], by: str) -> list[tuple[str, list[Shown]]]:
    """Return the classes under headings, in their order. People of one name stay apart."""
    found: dict[tuple[str, str], list[Shown]] = {}
    labels = {}
    for each in shown:
        key, label = _heading(each.progress, by)
        found.setdefault(key, []).append(each)
        labels[key] = label
    return [(labels[key], found[key]) for key in sorted(found)]


def _heading(each: Progress, by: str) -> tuple[tuple[str, str], str]:
    """Return under what a class stands, as a key in the order of the headings, and in words."""
    if by == "due":
        day = each.closes_on
        return (day.isoformat() if day else "none", ""), (
            date_format(day, "j F Y") if day else "no last day"
        )
    if by == "course":
        label, key = str(each.section.course), str(each.section.course_id)
    elif by == "area":
        return (plain(_area(each)), ""), _area(each)
    else:
        label, key = _teacher(each), _teacher_key(each)
    return (plain(label), key), label


def _teacher(each: Progress) -> str:
    return str(each.section.instructor or NOBODY)


def _teacher_key(each: Progress) -> str:
    return str(each.section.instructor_id or NOBODY)


def _area(each: Progress) -> str:
    """Return the subject area of a class's course: what a school calls its department."""
    return " ".join(each.section.course.subject_area.split()) or "no subject area"


def _area_key(each: Progress) -> str:
    return area_key(each.section.course.subject_area) or NO_AREA


def _sought(each: Progress) -> str:
    section = each.section
    return f"{section.code or ''} {section.course} {_teacher(each)}".casefold()


def _people(found: Sequence[User]) -> str:
    return ", ".join(map(str, found))
