"""The review queue: what waits, the confirmation, the decision.

A decision has two steps. ``confirm`` lists what will and will not be done, with why, as the engine
rehearses it; ``decide`` does exactly that, for the changes that were seen there, or nothing.
"""

import dataclasses
import uuid
from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest, as_uuid
from accounts.posting import posted_or_back_to

from . import naming, review
from . import queue as waiting
from .deciding import CannotProject, MayNotDecide
from .judgement import Judged, Why
from .models import Change, ChangeSet
from .projector import Move
from .registry import EXISTS, FALSE
from .registry import get as tracked_type

SETS_ON_A_PAGE = 25
CHANGES_OF_A_SET = 10


class Choice(forms.Form):
    """What somebody ticked in the queue or chose on the confirmation page.

    ``change`` and ``asked`` are the changes in question; ``seen`` those that the page showed as to
    be decided. Boxes of one line carry several ids. ``use``: "use this value", with ``why-<id>``.
    """

    action = forms.ChoiceField(choices=[("approve", ""), ("decline", "")], initial="approve")
    reason = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Why (the author reads this)",
    )
    key = forms.CharField(required=False, max_length=64, initial=lambda: uuid.uuid4().hex)

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        sent = data or QueryDict()
        self.asked = _ids(sent, "change", "asked", "seen")
        self.seen = _ids(sent, "seen")
        self.use_values = {
            change: sent.get(f"why-{change}", "").replace("\x00", "")[:2000]
            for change in _ids(sent, "use")
        }

    @property
    def declines(self) -> bool:
        return self.data.get("action") == "decline"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("action") == "decline" and not cleaned.get("reason", "").strip():
            self.add_error("reason", "Say why: the author reads the reason.")
        return cleaned


def _ids(sent: QueryDict, *names: str) -> list[uuid.UUID]:
    """Return the ids that boxes and hidden fields of these names carry, each once."""
    texts = [text for name in names for value in sent.getlist(name) for text in value.split()]
    return [as_uuid(text) for text in dict.fromkeys(texts)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What the confirmation page lists. ``with_it`` would have to be approved too; ``newer`` is
    what authors have typed since; ``vanishing`` are records that go with an approved deletion."""

    done: list[waiting.Line]
    refused: list[waiting.Line]
    with_it: list[waiting.Line]
    newer: list[waiting.Line]
    vanishing: list[str]

    @property
    def seen(self) -> str:
        return " ".join(line.ids for line in self.done)

    @property
    def count(self) -> int:
        return sum(len(line.changes) for line in self.done)

    @property
    def can_insist(self) -> bool:
        return any(line.can_insist for line in self.refused)

    @property
    def creates(self) -> bool:
        return any(line.creates for line in self.done)


@require_safe
def queue(request: MemberRequest) -> HttpResponseBase:
    """What waits, grouped by change set, the oldest first."""
    page = Paginator(waiting.waiting_sets(), SETS_ON_A_PAGE).get_page(request.GET.get("page"))
    batches = waiting.batches(request.member.school, list(page), most=CHANGES_OF_A_SET)
    context = {"page": page, "batches": batches, "ticked": request.GET.get("tick") == "all"}
    return TemplateResponse(request, "changes/queue.html", context)


@require_safe
def change_set(request: MemberRequest, change_set_id: uuid.UUID) -> HttpResponseBase:
    """All that still waits of one change set."""
    found = get_object_or_404(ChangeSet.objects.select_related("initiator"), pk=change_set_id)
    open_ids = Change.objects.filter(change_set=found).open().values_list("id", flat=True)
    lines = waiting.lines(request.member.school, list(open_ids))
    decided = found.changes.exclude(status=Change.Status.PROVISIONAL).count()
    context = {"change_set": found, "lines": lines, "decided": decided}
    return TemplateResponse(request, "changes/change_set.html", context)


@posted_or_back_to("admin:review")
def confirm(request: MemberRequest) -> HttpResponseBase:
    """Say what will and will not be done, and why; nothing is done yet."""
    choice = Choice(request.POST)
    if not choice.asked:
        messages.error(request, "Nothing was ticked. Tick the changes to decide on.")
        return redirect("admin:review")
    return _confirmation(request, choice)


@posted_or_back_to("admin:review")
def decide(request: MemberRequest) -> HttpResponseBase:
    """Do what the confirmation page listed, whole, or nothing of it."""
    choice = Choice(request.POST)
    if not choice.seen:
        raise Http404
    if not choice.is_valid():
        return _confirmation(request, choice, status=422)
    try:
        outcome = _decide(request, choice)
    except (review.NotApproved, CannotProject, MayNotDecide) as refusal:
        return _confirmation(request, choice, trouble=refusal, status=409)
    except review.NoSuchChange as unknown:
        raise Http404 from unknown
    messages.success(request, _said(outcome))
    return redirect("admin:review")


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
    count = len(outcome.done)
    return f"{kind}: {count} change{'' if count == 1 else 's'}, decision {outcome.decision.number}."


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
        "reason": choice["reason"] if choice.is_bound and status == 422 else Choice()["reason"],
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
    lines = waiting.lines_of([*outcome.done, *outcome.refused])
    refused = [line for line in lines if line.why_not]
    return Confirmation(
        done=[line for line in lines if not line.why_not],
        refused=refused,
        with_it=_with_it(request, choice.asked, outcome.refused),
        newer=_newer(request, outcome.refused),
        vanishing=_vanishing(outcome.moves, outcome.done),
    )


def _nothing(request: MemberRequest, choice: Choice) -> Confirmation:
    lines = waiting.lines(request.member.school, choice.asked)
    return Confirmation(done=[], refused=lines, with_it=[], newer=[], vanishing=[])


def _with_it(
    request: MemberRequest, asked: Collection[uuid.UUID], refused: Collection[Judged]
) -> list[waiting.Line]:
    """Return the waiting creations without which some of these cannot be approved."""
    lacking = [each.id for each in refused if each.refusal and each.refusal.why is Why.PREREQUISITE]
    if not lacking:
        return []
    more = set(review.with_prerequisites(lacking)) - set(asked)
    return waiting.lines(request.member.school, more)


def _newer(request: MemberRequest, refused: Collection[Judged]) -> list[waiting.Line]:
    """Return what authors have typed in place of the changes that were asked about."""
    later = [each.superseded_by for each in refused if each.superseded_by]
    still = Change.objects.filter(pk__in=later).open().values_list("id", flat=True)
    return waiting.lines(request.member.school, list(still)) if later else []


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
