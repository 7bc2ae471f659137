"""Reverting what an account did, and lifting that: the form, the preview, the act.

The preview's form carries the engine's token. When anything that was shown has changed, nothing is
done and the preview comes again, as it is now.
"""

import contextlib
import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest
from accounts.models import Membership, School
from accounts.plain import Plain, plain
from accounts.posting import posted_or_back_to

from . import criteria_words, naming, preview_groups, registry, revert, school_time
from .called import called
from .deciding import CannotProject, KeysClash, MayNotDecide
from .incident import past_reverts, revert_or_404
from .models import Change, Decision
from .preview_groups import Group
from .projector import Move
from .queue import Line as Waiting
from .queue import lines
from .registry import EXISTS
from .revert import Criteria, Kind, Line, NothingToDo, Preview, PreviewChanged
from .ticks import IN_GROUPS, Ticks, digest

REVERTS_ON_A_PAGE = 20
CALLED = 50
"""So many records of a type are offered that are called what was typed."""
LINES = 200
"""So many lines of a preview are on a page, one by one. Of more, the groups are."""
GROUPS = 100
"""So many groups of lines are on a page."""
LISTED = 100
"""So many are listed of what a preview shows beside its lines."""
REFUSALS = (KeysClash, NothingToDo, CannotProject, MayNotDecide)


BOUNDS = ("start", "end", "ip", "session", "change_set", "about", "called")
"""Without one of these everything that an account ever did would match."""


class CriteriaForm(forms.Form):
    """Whose changes, and which of them: all that is given must be so. Times are those of the
    school's clocks."""

    account = forms.ChoiceField(
        label="Account",
        error_messages={
            "required": "Choose the account.",
            "invalid_choice": "This account is not among the people of this school.",
        },
    )
    how = forms.ChoiceField(
        label="Changes that this account",
        choices=[("typed", "typed"), ("decided", "approved, entered directly or imported")],
        initial="typed",
        widget=forms.RadioSelect,
    )
    start = forms.CharField(label="From", required=False, max_length=40)
    start_second = forms.ChoiceField(required=False)
    end = forms.CharField(label="Until, not included", required=False, max_length=40)
    end_second = forms.ChoiceField(required=False)
    ip = forms.GenericIPAddressField(
        label="Only from this address",
        required=False,
        help_text="An IP address, such as 203.0.113.7. Leave it empty for all addresses.",
    )
    field = forms.ChoiceField(
        label="Only this field",
        required=False,
        error_messages={"invalid_choice": "There is no such field."},
    )
    change_set = forms.UUIDField(label="Only this save", required=False)
    session = forms.CharField(label="Only in this session", required=False, max_length=64)
    called = forms.CharField(
        label="Only about a class, a pupil or another record",
        required=False,
        max_length=200,
        help_text="Its code or name, such as MAT-2. Leave it empty for all records.",
    )
    about = forms.UUIDField(label="Only about", required=False)

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        school: School,
        initial: dict[str, str] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
        self.school = school
        self.fields["field"].choices = [("", "all fields"), *criteria_words.fields()]  # type: ignore[attr-defined]
        self._narrowings(data or initial or {})
        members = Membership.objects.filter(school=school).select_related("user")
        self.fields["account"].choices = [  # type: ignore[attr-defined]
            ("", "Choose"),
            *(
                (str(m.user_id), _called(m))
                for m in members.order_by(Plain("user__name"), "user__email")
            ),
        ]
        for name in ("start", "end"):
            self.fields[name].widget = forms.DateTimeInput(attrs={"type": "datetime-local"})
            second = self.fields[f"{name}_second"]
            second.choices = [("", ""), ("0", "the first"), ("1", "the second")]  # type: ignore[attr-defined]
            second.widget = forms.HiddenInput()

    def _narrowings(self, given: Mapping[str, Any]) -> None:
        """Offer what no one types: the imports; and the session, save or record of a link."""
        saves = criteria_words.imports()
        for name, every, known, words in (
            ("session", "all sessions", [], criteria_words.of_session),
            ("change_set", "all saves", saves, lambda pk: criteria_words.of_save(uuid.UUID(pk))),
            ("about", "all records", [], lambda pk: criteria_words.of_record(uuid.UUID(pk))),
        ):
            value, choices = given.get(name, ""), [*known]
            if value and value not in dict(known):
                with contextlib.suppress(ValueError):
                    choices.append((value, words(value)))
            self.fields[name].widget = (
                forms.Select(choices=[("", every), *choices]) if choices else forms.HiddenInput()
            )

    @property
    def narrowings(self) -> list[forms.BoundField]:
        return [self[name] for name in ("change_set", "session", "about")]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in ("start", "end"):
            cleaned[f"{name}_at"] = self._instant(name) if cleaned.get(name) else None
        if not any(str(self.data.get(name, "")).strip() for name in BOUNDS):
            self.add_error(
                "start", "Give a time, or an address: all that an account ever did is too much."
            )
            return cleaned
        self._find(cleaned)
        if not self.errors:
            start, end = cleaned["start_at"], cleaned["end_at"]
            if start and end and start >= end:
                self.add_error("end", "This is not after the time in “From”.")
        return cleaned

    def _find(self, cleaned: dict[str, Any]) -> None:
        """Take the record that is meant; of several let one be chosen."""
        words = cleaned.get("called", "")
        if not words or cleaned.get("about"):
            return
        found = called(words, most=CALLED)
        if len(found) == 1:
            ((cleaned["about"], _),) = found
        elif found:
            choices = [("", "Choose"), *((str(pk), name) for pk, name in found)]
            self.fields["about"].widget = forms.Select(choices=choices)
            self.add_error("about", f"Several records are called “{words}”: choose one.")
        else:
            self.add_error("called", f"No record of this school is called “{words}”.")

    def _instant(self, name: str) -> dt.datetime | None:
        second = self.cleaned_data.get(f"{name}_second")
        try:
            return school_time.instant(
                self.cleaned_data[name],
                school=self.school,
                second=None if not second else second == "1",
            )
        except school_time.RepeatedHour as repeated:
            self.fields[f"{name}_second"].widget = forms.Select(
                choices=[("", "Choose"), ("0", "the first time"), ("1", "the second time")]
            )
            self.add_error(name, str(repeated))
        except school_time.NotATime as not_a_time:
            self.add_error(name, str(not_a_time))
        return None

    def criteria(self) -> Criteria:
        """Return what the form asks for; call it on a valid one."""
        given = self.cleaned_data
        account = uuid.UUID(given["account"])
        typed = given["how"] == "typed"
        return Criteria(
            account=account if typed else None,
            decided_by=None if typed else account,
            start=given["start_at"],
            end=given["end_at"],
            ip=given["ip"] or None,
            session=given["session"] or None,
            about=given["about"],
            field=given["field"] or None,
            change_set=given["change_set"],
        )

    def sent(self) -> list[tuple[str, str]]:
        """Return names and values to carry through the preview's forms."""
        # The record itself, and no more its name, which another one may get.
        found = {"about": str(self.cleaned_data["about"] or ""), "called": ""}
        return [
            (name, found[name] if name in found else self.data.get(name, ""))
            for name in self.fields
        ]


def _called(member: Membership) -> str:
    name = f"{member.user} ({member.user.email})" if member.user.name else member.user.email
    return name if member.is_active else f"{name}, deactivated"


class Confirmed(forms.Form):
    """What comes with the click on "Revert" or "Lift": why, and what was seen."""

    reason = forms.CharField(
        max_length=2000,
        label="Why",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why: the reason stays with the decision."},
    )
    token = forms.CharField(max_length=64)
    key = forms.CharField(max_length=64, required=False)


class MayStayEmpty(forms.Form):
    """The reason of who gives something back: it takes nothing away, and may go without."""

    reason = forms.CharField(
        max_length=2000,
        label="Why",
        help_text="May stay empty.",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ConfirmedLift(MayStayEmpty, Confirmed):
    """The same for what gives back."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the preview in words. ``typed`` is the account's last word on it, ``more`` what
    else it typed there; ``others``: who built on a record that would vanish."""

    line: Line
    field: str
    typed: str
    at: dt.datetime
    ip: str | None
    more: str
    before: str
    after: str
    others: str
    clash: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """A page of a preview in words: ``groups`` are its rows by record, or, where there are too many
    lines, ``heaps`` the groups of them; of one ``group`` again the rows. ``boxes`` says what is
    ticked on it. ``more``: how many are not listed of what stands beside the lines.
    """

    preview: Preview
    counts: list[tuple[str, int]]
    page: Page[Any]
    group: Group | None
    many: bool
    groups: list[tuple[str, list[Row]]]
    heaps: list[tuple[Group, list[tuple[str, int]]]]
    boxes: str
    consequences: list[tuple[str, str, str, str]]
    please_check: list[Waiting]
    based_on: list[Waiting]
    leaving: list[Waiting]
    returning: list[Waiting]
    declined: list[Waiting]
    more: dict[str, int]

    @property
    def at(self) -> str:
        """Where in the preview one is, as the form sends it."""
        return f"{self.page.number} {self.group.key if self.group else ''}"


@require_safe
def start(request: MemberRequest) -> HttpResponseBase:
    """The form, and the reverts that were made."""
    named = {name: request.GET[name] for name in CriteriaForm.base_fields if name in request.GET}
    return _start(request, CriteriaForm(school=request.member.school, initial=named))


def _start(request: MemberRequest, form: CriteriaForm, status: int = 200) -> HttpResponseBase:
    page = Paginator(past_reverts(), REVERTS_ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "reverts": _with_accounts(list(page)),
        "zone": request.member.school.time_zone,
    }
    return TemplateResponse(request, "changes/revert.html", context, status=status)


def _with_accounts(reverts: Sequence[Decision]) -> list[tuple[Decision, str]]:
    """Return reverts with whose account each was about."""
    whose = [each.criteria.get("account") or each.criteria.get("decided_by") for each in reverts]
    names = naming.people(uuid.UUID(pk) for pk in whose if pk)
    return [
        (each, names.get(uuid.UUID(pk), "") if pk else "")
        for each, pk in zip(reverts, whose, strict=True)
    ]


def preview(request: MemberRequest) -> HttpResponseBase:
    """What a revert would do. A POST shows it again, with other lines ticked."""
    form = CriteriaForm(request.POST or request.GET, school=request.member.school)
    if not form.is_valid():
        return _start(request, form, status=422)
    return _preview(request, form, *_look(request, form))


@posted_or_back_to("admin:revert")
def execute(request: MemberRequest) -> HttpResponseBase:
    """Revert what is ticked, if it is still what the preview showed."""
    form = CriteriaForm(request.POST, school=request.member.school)
    if not form.is_valid():
        return _start(request, form, status=422)
    confirmed = Confirmed(request.POST)
    if not confirmed.is_valid():
        return _preview(request, form, *_look(request, form), confirmed=confirmed, status=422)
    ticks = _ticks(request)
    try:
        done = revert.revert(
            form.criteria(), unticked=ticks.unticked, **_confirmed(request, confirmed)
        )
    except PreviewChanged as changed:
        trouble = _why_changed(request, changed)
        return _preview(request, form, changed.preview, ticks, trouble=trouble, status=409)
    except REFUSALS as refusal:
        return _preview(request, form, *_look(request, form), trouble=refusal, status=409)
    return _done(request, done, done.decision.number)


def lift_preview(request: MemberRequest, number: int) -> HttpResponseBase:
    """What lifting a revert would do. A POST shows it again, with other lines ticked."""
    decision = revert_or_404(number)
    return _lift_preview(request, decision, *_look_at_lift(request, decision))


@posted_or_back_to("admin:lift_preview")
def lift_execute(request: MemberRequest, number: int) -> HttpResponseBase:
    """Lift what is ticked, if it is still what the preview showed."""
    decision = revert_or_404(number)
    confirmed = ConfirmedLift(request.POST)
    if not confirmed.is_valid():
        looked = _look_at_lift(request, decision)
        return _lift_preview(request, decision, *looked, confirmed=confirmed, status=422)
    ticks = _ticks(request)
    try:
        done = revert.reinstate(decision, unticked=ticks.unticked, **_confirmed(request, confirmed))
    except PreviewChanged as changed:
        trouble = _why_changed(request, changed)
        return _lift_preview(request, decision, changed.preview, ticks, trouble=trouble, status=409)
    except REFUSALS as refusal:
        looked = _look_at_lift(request, decision)
        return _lift_preview(request, decision, *looked, trouble=refusal, status=409)
    return _done(request, done, number)


def _confirmed(request: MemberRequest, form: Confirmed) -> dict[str, Any]:
    given = form.cleaned_data
    return {
        "school": request.member.school,
        "by": request.member,
        "origin": request.origin,
        "reason": given["reason"],
        "token": given["token"],
        "idempotency_key": given["key"] or None,
    }


class OtherTicks(Exception):
    """Other lines are ticked than when the preview was shown."""


def _why_changed(request: MemberRequest, changed: PreviewChanged) -> Exception:
    """Return what to say: often it was the reader who changed something, a tick."""
    if request.POST.get("ticks") == digest(_unticked(changed.preview.lines)):
        return changed
    return OtherTicks(
        "Other lines are ticked now than when this was shown, and that may come to something else. "
        "Look at it, and confirm."
    )


_COUNTED = {
    Kind.FALLS_BACK: ("falls back", "fall back"),
    Kind.COMES_BACK: ("comes back", "come back"),
    Kind.NO_EFFECT: ("without effect: a later value stands", "without effect: later values stand"),
    Kind.COVERED: ("without effect: another revert covers it",) * 2,
    Kind.VANISHES: ("record vanishes", "records vanish"),
    Kind.RETURNS: ("record comes back", "records come back"),
    Kind.WITHHELD: ("leaves the queue", "leave the queue"),
    Kind.WAITS_AGAIN: ("waits again", "wait again"),
    Kind.KEPT: ("kept", "kept"),
}


def _counted(kind: Kind, n: int) -> str:
    one, many = _COUNTED[kind]
    return one if n == 1 else many


def _done(request: MemberRequest, done: revert.Reverted, number: int) -> HttpResponseBase:
    what = "Lifted" if done.decision.kind == Decision.Kind.REINSTATE else "Reverted"
    again = " (it was sent twice, and done once)" if done.repeated else ""
    messages.success(request, f"{what}, decision {done.decision.number}{again}.")
    return redirect("admin:reverted", number)


# Ticked lines. ------------------------------------------------------------------------------------


def _look(request: MemberRequest, form: CriteriaForm) -> tuple[Preview, Ticks]:
    """Return the preview with the lines that were ticked; with the default ones at first."""
    ticks = _ticks(request)
    school = request.member.school
    return revert.preview(form.criteria(), school=school, unticked=ticks.unticked), ticks


def _look_at_lift(request: MemberRequest, decision: Decision) -> tuple[Preview, Ticks]:
    ticks = _ticks(request)
    school = request.member.school
    return revert.preview_reinstatement(decision, school=school, unticked=ticks.unticked), ticks


def _ticks(request: MemberRequest) -> Ticks:
    return Ticks.of(request.POST, groups=preview_groups.of_keys)


def _unticked(some: Iterable[Line]) -> set[str]:
    return {line.key for line in some if not line.ticked}


# The preview in words. ----------------------------------------------------------------------------


def _preview(
    request: MemberRequest, form: CriteriaForm, looked: Preview, ticks: Ticks, **more: Any
) -> HttpResponseBase:
    context = {"form": form, "criteria": criteria_words.in_words(form.criteria().as_json())}
    return _render(request, "changes/revert_preview.html", looked, ticks, context, **more)


def _lift_preview(
    request: MemberRequest, decision: Decision, looked: Preview, ticks: Ticks, **more: Any
) -> HttpResponseBase:
    context = {"decision": decision, "own": revert.concerns(decision, request.member)}
    if "confirmed" not in more:
        more["confirmed"] = ConfirmedLift(initial={"reason": request.POST.get("reason", "")})
    return _render(request, "changes/lift_preview.html", looked, ticks, context, **more)


def _render(
    request: MemberRequest,
    template: str,
    looked: Preview,
    ticks: Ticks,
    context: dict[str, Any],
    *,
    confirmed: Confirmed | None = None,
    trouble: Exception | None = None,
    status: int = 200,
) -> HttpResponseBase:
    reason = confirmed or Confirmed(initial={"reason": request.POST.get("reason", "")})
    context |= {
        "shown": _in_words(request, looked),
        "held": _held(request.member.school, looked),
        "chosen": ticks,
        "ticks": digest(_unticked(looked.lines)),
        "confirmed": reason,
        "key": uuid.uuid4().hex,
        "trouble": trouble,
        "zone": request.member.school.time_zone,
    }
    return TemplateResponse(request, template, context, status=status)


def _in_words(request: MemberRequest, looked: Preview) -> Shown:
    number, _, key = (request.POST.get("go") or request.POST.get("at") or "1").partition(" ")
    many = len(looked.lines) > LINES
    heaps = preview_groups.grouped(looked) if many else []
    group = next((each for each in heaps if each.key == key), None)
    among: Sequence[Group | Line] = group.lines if group else heaps if many else looked.lines
    page: Page[Any] = Paginator(among, LINES if group or not many else GROUPS).get_page(number)
    listed = [] if many and not group else list(page)
    on_page = [] if listed else list(page)
    boxes = [(line.key, line.ticked) for line in listed]
    boxes += [(IN_GROUPS + heap.key, heap.ticked > 0) for heap in on_page]
    told = _told(looked)
    waiting = _by_id(request.member.school, looked)
    beside: dict[str, Any] = {
        name: [waiting[each] for each in getattr(looked, name)[:LISTED] if each in waiting]
        for name in _LISTS
    }
    more = {name: len(getattr(looked, name)) - LISTED for name in _LISTS}
    return Shown(
        preview=looked,
        counts=_counts(looked.count()),
        page=page,
        group=group,
        many=many,
        heaps=[(heap, _counts(heap.kinds)) for heap in on_page],
        boxes=" ".join(f"{'+' if ticked else '-'}{name}" for name, ticked in boxes),
        more={name: n for name, n in (more | {"moves": len(told) - LISTED}).items() if n > 0},
        **_rows(looked, listed, told[:LISTED]),
        **beside,
    )


def _counts(kinds: Mapping[Kind, int]) -> list[tuple[str, int]]:
    return [(_counted(kind, n), n) for kind, n in kinds.items()]


def _rows(looked: Preview, listed: Sequence[Line], consequences: Sequence[Move]) -> dict[str, Any]:
    """Return these lines and consequences in words."""
    told: list[Line | Move] = [*listed, *consequences]
    typed = _typed(listed)
    values = naming.value_texts(
        (each.entity_type, each.field, value)
        for each in told
        for value in (each.before, each.after)
    ) | naming.value_texts((c.entity_type, c.field, c.value) for c in typed.values())
    titles = naming.titles({(each.entity_type, each.entity_id) for each in told})
    people = naming.people({person for line in listed for person in line.others})
    groups: dict[tuple[str, uuid.UUID], list[Row]] = defaultdict(list)
    for line in listed:
        row = _row(line, typed[line.key], values, people, looked)
        groups[titles[line.entity_id], line.entity_id].append(row)
    return {
        "groups": [
            (title, groups[title, entity])
            for title, entity in sorted(groups, key=lambda group: (plain(group[0]), group))
        ],
        "consequences": [_of_move(move, titles, values) for move in consequences],
    }


def _typed(listed: Iterable[Line]) -> dict[str, Change]:
    """Return the last change of each line, or the creation, for a record."""
    keys = {change: line.key for line in listed for change in line.change_ids}
    changes = (
        Change.objects.filter(pk__in=keys)
        .select_related("change_set")
        .order_by("change_set__received_at", "id")
    )
    last: dict[str, Change] = {}
    for change in changes:
        key = keys[change.pk]
        if key not in last or last[key].field != EXISTS:
            last[key] = change
    return last


def _row(
    line: Line,
    typed: Change,
    values: Mapping[tuple[str, str, str | None], str],
    people: Mapping[uuid.UUID, str],
    looked: Preview,
) -> Row:
    tracked = registry.get(line.entity_type)
    key = (line.entity_type, line.field)
    withdrawn = typed.kind == Change.Kind.WITHDRAW
    return Row(
        line=line,
        field=tracked.label if line.is_record else tracked.field(line.field).label,
        typed="withdrew" if withdrawn else values[line.entity_type, typed.field, typed.value],
        at=typed.change_set.received_at,
        ip=typed.change_set.ip,
        more=_more(line),
        before=values[*key, line.before],
        after=values[*key, line.after],
        others=", ".join(f"{people[who]}: {_many(n)}" for who, n in line.others.items()),
        clash="; ".join(
            str(clash)
            for clash in looked.clashes
            if line.key in looked.clashing and line.entity_id in clash.entity_ids
        ),
    )


_LISTS = ("please_check", "based_on", "leaving", "returning", "declined")


def _held(school: School, looked: Preview) -> list[Membership]:
    """Return the frozen members of whom something comes back to the queue, where it is held."""
    frozen = Membership.objects.filter(school=school, frozen_at__isnull=False)
    members = {
        each.user_id: each for each in frozen.select_related("user").order_by(Plain("user__name"))
    }
    if not members:
        return []
    back = [*looked.returning]
    back += [pk for line in looked.lines if line.kind == Kind.WAITS_AGAIN for pk in line.change_ids]
    theirs = Change.objects.filter(pk__among=back, author_id__in=members).order_by()
    authors = set(theirs.values_list("author_id", flat=True).distinct())
    return [member for author_id, member in members.items() if author_id in authors]


def _by_id(school: School, looked: Preview) -> dict[uuid.UUID, Waiting]:
    """Return a line for each change that the preview lists beside its own lines."""
    ids = {each for name in _LISTS for each in getattr(looked, name)[:LISTED]}
    return (
        {change.id: line for line in lines(school, ids) for change in line.changes} if ids else {}
    )


def _told(looked: Preview) -> list[Move]:
    """Return the consequences to tell: of a record that comes or goes, its existence says all."""
    came_or_went = {m.entity_id for m in looked.consequences if m.field == EXISTS}
    came_or_went |= {line.entity_id for line in looked.lines if line.is_record}
    return [
        move
        for move in looked.consequences
        if move.field == EXISTS or move.entity_id not in came_or_went
    ]


def _of_move(move: Move, titles: Any, values: Any) -> tuple[str, str, str, str]:
    tracked = registry.get(move.entity_type)
    field = tracked.label if move.field == EXISTS else tracked.field(move.field).label
    key = (move.entity_type, move.field)
    return titles[move.entity_id], field, values[*key, move.before], values[*key, move.after]


def _more(line: Line) -> str:
    count = len(line.change_ids)
    if count == 1:
        return ""
    return f"with {_many(count - 1)} of it" if line.is_record else f"the last of {count}"


def _many(count: int) -> str:
    return f"{count} change{'' if count == 1 else 's'}"
