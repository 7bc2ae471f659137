"""Deciding on what waits: the confirmation, the decision, and another value instead.

A decision has two steps. ``confirm`` lists what will and will not be done, with why, as the engine
rehearses it; ``decide`` does exactly that, for the changes that were seen there, or nothing. What
bears no flag may be approved in one step (``approve_ordinary``), by who has seen it on its sheet.
"""

import dataclasses
import uuid
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import Resolver404, resolve, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_safe

from accounts.in_school import MemberRequest, Refused, as_uuid
from accounts.models import Membership
from accounts.plain import plain
from accounts.posting import posted_or_back_to

from . import groups, judgement, naming, review
from . import queue as waiting
from .deciding import CannotProject, MayNotDecide
from .flags import marks_on
from .instead import NotInstead, enter_instead, why_not
from .judgement import Judged, Why
from .models import Change, ChangeSet, Decision
from .projector import Move
from .propose import NothingSaved
from .queue_pages import in_group
from .registry import EXISTS, FALSE, in_order
from .registry import get as tracked_type

LISTED = 300
"""Changes up to which the confirmation lists each one; of more it lists the groups."""

SAID = 5
"""Things that a rule entered up to which the message after a decision names each."""

REASONS = 8
"""Earlier reasons of one's own that are offered."""


class Choice(forms.Form):
    """What somebody ticked in the queue or chose on the confirmation page.

    ``change`` and ``asked`` are the changes in question; ``seen`` those that the page showed as to
    be decided. Boxes of one line carry several ids. ``use``: "use this value", with ``why-<id>``.
    The buttons of a line, ``insist`` and ``decline``, ask about this one line, whatever is ticked.
    ``group`` and ``author``: the sheet that one comes from, and goes back to. ``back``: the list of
    the office that one comes from, as it was filtered.
    """

    action = forms.ChoiceField(choices=[("approve", ""), ("decline", "")], initial="approve")
    reason = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Why (the author reads this)",
    )
    said = forms.CharField(required=False, max_length=2000)
    key = forms.CharField(required=False, max_length=64, initial=lambda: uuid.uuid4().hex)
    group = forms.SlugField(required=False, max_length=100)
    author = forms.UUIDField(required=False)

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        sent = _one_line_of(data) if data else QueryDict()
        super().__init__(sent if data is not None else None, **options)
        self.asked = _ids(sent, "change", "asked", "seen")
        self.seen = _ids(sent, "seen")
        self.use_values = {
            change: sent.get(f"why-{change}", "").replace("\x00", "")[:2000]
            for change in _ids(sent, "use")
        }

    @property
    def back(self) -> str | None:
        """The list that one comes from, if it is a page of the office."""
        at = self.data.get("back", "")
        if not url_has_allowed_host_and_scheme(at, allowed_hosts=None):
            return None
        try:
            return at if resolve(urlsplit(at).path).namespaces == ["admin"] else None
        except Resolver404:
            return None

    @property
    def declines(self) -> bool:
        return self.data.get("action") == "decline"

    @property
    def sheet(self) -> tuple[str, uuid.UUID] | None:
        """The sheet that one comes from: its group and its author."""
        try:
            group = self.fields["group"].clean(self.data.get("group", ""))
            author = uuid.UUID(self.data.get("author", ""))
        except (ValueError, forms.ValidationError):
            return None
        return (group, author) if group else None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["reason"] = cleaned.get("reason", "").strip() or cleaned.get("said", "").strip()
        if cleaned.get("action") == "decline" and not cleaned["reason"]:
            self.add_error("reason", "Say why: the author reads the reason.")
        return cleaned


def _one_line_of(sent: QueryDict) -> QueryDict:
    """Return what was sent, as if just the line were ticked whose own button was pressed."""
    if not (sent.get("decline") or sent.get("insist")):
        return sent
    sent = sent.copy()
    sent["action"] = "decline" if sent.get("decline") else "approve"
    sent.setlist("change", sent.getlist("decline") or sent.getlist("insist"))
    sent.setlist("use", [] if sent.get("decline") else sent.getlist("insist"))
    return sent


def _ids(sent: QueryDict, *names: str) -> list[uuid.UUID]:
    """Return the ids that boxes and hidden fields of these names carry, each once."""
    texts = [text for name in names for value in sent.getlist(name) for text in value.split()]
    return [as_uuid(text) for text in dict.fromkeys(texts)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What the confirmation page lists. ``done``, or ``heaps`` where that is more than one reads;
    ``count`` changes, of which a new record is one, and the ids in ``seen``. ``with_it`` would have
    to be approved too, or all of ``with_ids`` where that is more than one reads; ``newer`` is what
    authors have typed since; ``vanishing`` are records that go with an approved deletion;
    ``brought`` what is entered with it by a rule.
    """

    refused: list[waiting.Line]
    done: list[waiting.Line] = dataclasses.field(default_factory=list)
    heaps: list[groups.Heap] = dataclasses.field(default_factory=list)
    count: int = 0
    seen: str = ""
    with_it: list[waiting.Line] = dataclasses.field(default_factory=list)
    with_ids: list[uuid.UUID] = dataclasses.field(default_factory=list)
    newer: list[waiting.Line] = dataclasses.field(default_factory=list)
    vanishing: list[str] = dataclasses.field(default_factory=list)
    brought: list[str] = dataclasses.field(default_factory=list)

    @property
    def insistable(self) -> set[uuid.UUID]:
        """The changes for which the page asks whether their value is to be used."""
        return {line.first.id for line in self.refused if line.can_insist}

    @property
    def creates(self) -> bool:
        return any(line.creates for line in self.done)


@require_safe
def change_set(request: MemberRequest, change_set_id: uuid.UUID) -> HttpResponseBase:
    """All that still waits of one change set."""
    found = get_object_or_404(ChangeSet.objects.select_related("initiator"), pk=change_set_id)
    open_ids = Change.objects.filter(change_set=found).open().values_list("id", flat=True)
    lines = waiting.lines(request.member.school, list(open_ids), by=request.member)
    decided = found.changes.exclude(status=Change.Status.PROVISIONAL).count()
    context = {"change_set": found, "lines": lines, "decided": decided}
    return TemplateResponse(request, "changes/change_set.html", context)


@posted_or_back_to("admin:review")
def confirm(request: MemberRequest) -> HttpResponseBase:
    """Say what will and will not be done, and why; nothing is done yet."""
    choice = Choice(request.POST)
    if not choice.asked:
        messages.error(request, "Nothing was ticked. Tick the changes to decide on.")
        return redirect(_back(choice, ()))
    _check_scope(request, choice)
    return _confirmation(request, choice)


@posted_or_back_to("admin:review")
def decide(request: MemberRequest) -> HttpResponseBase:
    """Do what the confirmation page listed, whole, or nothing of it."""
    choice = Choice(request.POST)
    if not choice.seen:
        raise Http404
    _check_scope(request, choice)
    return _decided(request, choice)


def _check_scope(request: MemberRequest, choice: Choice) -> None:
    """Let the substitute of an office see and decide what needs two people, and nothing else of
    what waits. Raises Refused."""
    asked = {*choice.asked, *choice.seen}
    if not request.member.is_office and (
        Change.objects.filter(pk__in=asked, two_people=True).count() < len(asked)
    ):
        raise Refused("A substitute decides on corrections of marks alone. Ask the office.")


def _decided(request: MemberRequest, choice: Choice) -> HttpResponseBase:
    if not choice.is_valid():
        return _confirmation(request, choice, status=422)
    try:
        outcome = _decide(request, choice)
    except (review.NotApproved, CannotProject, MayNotDecide) as refusal:
        return _confirmation(request, choice, trouble=refusal, status=409)
    except review.NoSuchChange as unknown:
        raise Http404 from unknown
    left = _left(request, choice)
    messages.success(request, _with_what_stays(_said(outcome), choice, left))
    return redirect(_back(choice, left))


@posted_or_back_to("admin:review")
def approve_ordinary(request: MemberRequest) -> HttpResponseBase:
    """Approve at once what a page showed as ordinary: all of it, as it was seen, or nothing, and
    then say what has come up."""
    sent = request.POST.copy()
    sent.setlist("seen", sent.getlist("ordinary"))
    sent.setlist("change", [])
    sent["action"] = "approve"
    choice = Choice(sent)
    if not choice.seen:
        messages.error(request, "Nothing ordinary waits here. Look at each, and tick it.")
        return redirect(_back(choice, _left(request, choice)))
    judged = judgement.load(request.member.school, choice.seen)
    if len(judged) != len(choice.seen):
        raise Http404
    if marks_on(request.member.school, judged, by=request.member):
        trouble = SomethingCameUp(
            "Something has come up since you looked, so nothing was approved."
        )
        return _confirmation(request, choice, trouble=trouble, status=409)
    return _decided(request, choice)


class SomethingCameUp(Exception):
    """What a page showed as ordinary bears a flag by now."""


class InsteadForm(forms.Form):
    """Another value, and why."""

    value = forms.CharField(label="Enter instead", required=False, strip=False, max_length=10_000)
    reason = forms.CharField(
        label="Why (the author reads this)",
        max_length=1500,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Say why: the author reads the reason."},
    )
    key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)


@require_http_methods(["GET", "HEAD", "POST"])
def another_value(request: MemberRequest, change_id: uuid.UUID) -> HttpResponseBase:
    """Enter another value as the office's own, and decline what waits."""
    found = get_object_or_404(Change, pk=change_id)
    if not Change.objects.filter(pk=change_id).open().exists():
        messages.error(
            request, "This does not wait any more: somebody decided on it, or retyped it."
        )
        return redirect("admin:review")
    (judged,) = judgement.load(request.member.school, [change_id], by=request.member)
    (line,) = waiting.lines_of([judged])
    group = groups.groups_of([judged])[change_id]
    sheet = reverse("admin:review_sheet", args=[group.key, judged.author_id])
    refusal = why_not(judged, school=request.member.school)
    form = InsteadForm(
        request.POST if request.method == "POST" else None,
        initial={"value": found.value or "", "key": uuid.uuid4().hex},
    )
    field = tracked_type(found.entity_type).fields.get(found.field)
    if field and field.choices:
        form.fields["value"].widget = forms.Select(choices=[(each, each) for each in field.choices])
    elif len(found.value or "") > 40:
        form.fields["value"].widget = forms.Textarea(attrs={"rows": 5})
    if request.method == "POST" and not refusal and form.is_valid():
        try:
            entered = enter_instead(
                change_id,
                typed=form.cleaned_data["value"],
                reason=form.cleaned_data["reason"],
                school=request.member.school,
                by=request.member,
                origin=request.origin,
                idempotency_key=form.cleaned_data["key"] or None,
            )
        except (NotInstead, NothingSaved) as because:
            form.add_error("value", str(because))
        except (review.NotApproved, CannotProject, MayNotDecide) as because:
            form.add_error(None, str(because))
        else:
            messages.success(
                request,
                "It waits for a second person, because a mark stands there."
                if entered.waiting
                else "Entered. Its author reads that it was declined, and why.",
            )
            left = in_group(group.key, judged.author_id, by=request.member)
            return redirect(sheet if left else "admin:review")
    context = {"line": line, "form": form, "refusal": refusal, "group": group, "sheet": sheet}
    status = 422 if form.errors else 200
    return TemplateResponse(request, "changes/another_value.html", context, status=status)


def _left(request: MemberRequest, choice: Choice) -> list[groups.Item]:
    """Return what still waits on the sheet that one comes from."""
    return in_group(*choice.sheet, by=request.member) if choice.sheet else []


def _back(choice: Choice, left: Collection[groups.Item]) -> str:
    """Return the address of the list one comes from, or of the sheet, while something of it waits,
    or of the queue."""
    if choice.back:
        return choice.back
    if choice.sheet and left:
        return reverse("admin:review_sheet", args=choice.sheet)
    return reverse("admin:review")


def _with_what_stays(said: str, choice: Choice, left: Collection[groups.Item]) -> str:
    """Say what was done, and how much of the same sheet keeps waiting because it is flagged."""
    flagged = sum(not item.is_ordinary for item in left)
    if not flagged:
        return said
    return format_html(
        '{} <a href="{}?flag=any">{}</a>',
        said,
        _back(choice, left),
        "1 flagged one stays: look at it."
        if flagged == 1
        else f"{flagged} flagged ones stay: look at just these.",
    )


def _decide(request: MemberRequest, choice: Choice) -> review.Outcome:
    common: dict[str, Any] = {
        "school": request.member.school,
        "by": request.member,
        "origin": request.origin,
        "reason": choice.cleaned_data["reason"],
        "idempotency_key": choice.cleaned_data["key"] or None,
    }
    if choice.declines:
        return review.decline(choice.seen, **common)
    return review.approve(choice.seen, use_values=choice.use_values, **common)


def _said(outcome: review.Outcome) -> str:
    assert outcome.decision is not None  # noqa: S101 - it was decided
    kind = outcome.decision.get_kind_display().capitalize()
    if outcome.repeated:
        return f"{kind} already, as decision {outcome.decision.number}: it was sent twice."
    count = len(groups.together(outcome.done))
    brought = "".join(f" {each}." for each in brought_in_words(outcome)[:SAID])
    return (
        f"{kind}: {count} change{'' if count == 1 else 's'}, decision {outcome.decision.number}."
        f"{brought}"
    )


def _confirmation(
    request: MemberRequest, choice: Choice, *, trouble: Exception | None = None, status: int = 200
) -> HttpResponseBase:
    try:
        shown = _rehearsed(request, choice)
    except review.NoSuchChange as unknown:
        raise Http404 from unknown
    except CannotProject as refusal:
        shown, trouble = _nothing(request, choice), refusal
    context = {
        "choice": choice,
        "reason": _reason(choice, shown, refused=choice.is_bound and status == 422),
        "earlier_reasons": earlier_reasons(request.member) if choice.declines else [],
        "key": uuid.uuid4().hex,
        "shown": shown,
        "asked": " ".join(map(str, choice.asked)),
        "trouble": trouble,
    }
    template = "changes/confirm_decline.html" if choice.declines else "changes/confirm_approve.html"
    return TemplateResponse(request, template, context, status=status)


def _rehearsed(request: MemberRequest, choice: Choice) -> Confirmation:
    school, by, origin = request.member.school, request.member, request.origin
    if choice.declines:
        outcome = review.rehearse_decline(choice.asked, school=school, by=by, origin=origin)
    else:
        outcome = review.rehearse_approval(
            choice.asked, school=school, by=by, origin=origin, use_values=choice.use_values
        )
    every = [*outcome.done, *outcome.refused]
    marks = marks_on(school, every, by=by)
    units = groups.together(every)
    passing = [some for some in units if all(j.passes for j in some)]
    done = [each for some in passing for each in some]
    refused = [each for some in units if not all(j.passes for j in some) for each in some]
    many = len(done) > LISTED
    with_ids = _with_it(choice.asked, outcome.refused, by=by)
    few = with_ids if len(with_ids) <= LISTED else []
    return Confirmation(
        done=[] if many else _by_name(waiting.lines_of(done, marks=marks)),
        heaps=groups.heaps(groups.items_of(done, marks=marks)) if many else [],
        count=len(passing),
        seen=" ".join(str(each.id) for each in done),
        refused=waiting.lines_of(refused[:LISTED], marks=marks),
        with_it=waiting.lines(school, few, by=by) if few else [],
        with_ids=[] if few else with_ids,
        newer=_newer(request, outcome.refused),
        vanishing=_vanishing(outcome.moves, outcome.done),
        brought=brought_in_words(outcome),
    )


def _by_name(lines: Iterable[waiting.Line]) -> list[waiting.Line]:
    """Return lines in the order of their submission, and those of one save by what they are of:
    within a save their order is chance."""
    return sorted(lines, key=lambda line: (line.first.received_at, plain(line.title)))


def _nothing(request: MemberRequest, choice: Choice) -> Confirmation:
    return Confirmation(refused=waiting.lines(request.member.school, choice.asked[:LISTED]))


def _reason(choice: Choice, shown: Confirmation, *, refused: bool) -> forms.BoundField:
    """Return the field for the reason: as it was sent; or, where what is declined all conflicts
    with something newer, with the words that say so."""
    if refused:
        return choice["reason"]
    kept = {line.now for line in shown.done}
    if len(kept) == 1 and (now := kept.pop()) is not None:
        return Choice(initial={"reason": f"{now[:200]} was entered later, and stays."})["reason"]
    return Choice()["reason"]


def earlier_reasons(member: Membership) -> list[str]:
    """Return the reasons that somebody gave the last times they declined something, each once."""
    given = Decision.objects.filter(
        decided_by_id=member.user_id, kind=Decision.Kind.DECLINE
    ).order_by("-number")
    return list(dict.fromkeys(given.values_list("reason", flat=True)[:100]))[:REASONS]


def _with_it(
    asked: Collection[uuid.UUID], refused: Collection[Judged], *, by: Membership
) -> list[uuid.UUID]:
    """Return the waiting creations without which some of these cannot be approved."""
    lacking = [each.id for each in refused if each.refusal and each.refusal.why is Why.PREREQUISITE]
    if not lacking or not by.is_office:
        return []
    known = set(asked)
    return [each for each in review.with_prerequisites(lacking) if each not in known]


def _newer(request: MemberRequest, refused: Collection[Judged]) -> list[waiting.Line]:
    """Return what authors have typed in place of the changes that were asked about."""
    later = [each.superseded_by for each in refused if each.superseded_by]
    if not later:
        return []
    newer = Change.objects.filter(pk__in=later).open()
    if not request.member.is_office:
        newer = newer.filter(two_people=True)
    still = newer.values_list("id", flat=True)[:LISTED]
    return waiting.lines(request.member.school, list(still), by=request.member)


def brought_in_words(outcome: review.Outcome) -> list[str]:
    """Say what a rule enters with it: such as that a pupil waits, since the class is full."""
    titles = naming.titles((each.entity_type, each.entity_id) for each in outcome.brought)
    return sorted(
        f"{titles[each.entity_id]}: {tracked_type(each.entity_type).field(each.field).label} "
        f"{each.value or 'none'}, {each.set_reason[:1].lower()}{each.set_reason[1:].rstrip('.')}"
        for each in outcome.brought
    )


def told_in_words(outcome: review.Outcome) -> str:
    """Say how many people are told by mail of what was decided, or nothing."""
    if outcome.decision is None:
        return ""
    told = {each.who for tracked in in_order() for each in tracked.rules.told_of(outcome.decision)}
    if not told:
        return ""
    return f"{len(told)} {'person is' if len(told) == 1 else 'people are'} told of it."


def _vanishing(moves: Collection[Move], done: Collection[Judged]) -> list[str]:
    """Name the records that vanish with those whose deletion is approved."""
    asked = {each.entity_id for each in done}
    gone = [
        (move.entity_type, move.entity_id)
        for move in moves
        if move.field == EXISTS and move.after == FALSE and move.entity_id not in asked
    ]
    titles = naming.titles(gone)
    return sorted(f"{tracked_type(kind).label}: {titles[each]}" for kind, each in gone)
