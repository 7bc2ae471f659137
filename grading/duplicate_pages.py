"""The office's pages for pupils who are there twice: who may be, the merge, and undoing it.

A merge has one page: it lists what the engine's rehearsal came to, with a choice wherever the two
differ, and does just that, or nothing. So does the undoing.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest
from accounts.models import School
from accounts.posting import posted_or_back_to
from changes import naming, queue, registry, revert
from changes.deciding import CannotProject, KeysClash, MayNotDecide
from changes.merge import CannotMerge, MergeChanged, Merged, Pair, merge, rehearse_merge
from changes.models import Change, Decision
from changes.projector import Move
from changes.registry import EXISTS, FALSE, TRUE
from changes.revert import NothingToDo, PreviewChanged
from changes.review import NotApproved

from . import duplicates, not_the_same, search
from .duplicates import Pupil, Suspected

ON_A_PAGE = 25
MERGES_ON_A_PAGE = 20
REFUSALS = (CannotMerge, NotApproved, CannotProject, MayNotDecide)


class Two(forms.Form):
    """Which two pupils, and which of them is kept: the first, if nobody says."""

    keep = forms.UUIDField()
    other = forms.UUIDField()


class Confirmed(forms.Form):
    """What comes with the click that does it: why, and what was seen."""

    reason = forms.CharField(
        label="Why",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Say why: the reason stays with the decision."},
    )
    token = forms.CharField(max_length=64)
    key = forms.CharField(max_length=64, required=False)


class ConfirmedUndoing(Confirmed):
    """The same for what gives back, and takes nothing away: it may go without a reason."""

    reason = forms.CharField(
        label="Why",
        help_text="May stay empty.",
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class MergedAlready(Exception):
    """Somebody has merged these two: ``decision``."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"These were merged already, by {decision.decided_by}.")
        self.decision = decision


class OtherChoice(Exception):
    """Other values are chosen than when the page was shown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A detail, a mark or a comment of the two: ``kept`` and ``other`` as people read them.
    ``pair`` is set where they differ."""

    label: str
    kept: str
    other: str
    pair: Pair | None = None
    kept_by: str = ""
    other_by: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moved:
    """A record whose cells an act moves, in words: what becomes of it, or from what to what."""

    title: str
    label: str
    becomes: str = ""
    before: str = ""
    after: str = ""


# Who may be there twice. --------------------------------------------------------------------------


@require_safe
def listed(request: MemberRequest) -> HttpResponseBase:
    """Pupils who wait and may be there already; with ``pupil`` all who may be that one, and any
    other who is looked for; and the merges that were made."""
    form = forms.Form(request.GET)
    form.fields["pupil"] = forms.UUIDField(required=False)
    pupil_id = form.cleaned_data["pupil"] if form.is_valid() else None
    found = duplicates.suspected(pupil_id)
    query = request.GET.get("q", "").replace("\x00", "")[: search.LONGEST]
    page = Paginator(found, ON_A_PAGE).get_page(request.GET.get("page"))
    ids = duplicates.ids_of(page) | ({pupil_id} if pupil_id else set())
    known = duplicates.pupils(ids)
    if pupil_id and pupil_id not in known:
        raise Http404
    merges = Paginator(_merges(), MERGES_ON_A_PAGE).get_page(request.GET.get("merges"))
    context = {
        "page": page,
        "pairs": [_with_classes(each, known) for each in page],
        "rest_of_query": urlencode({"pupil": pupil_id}) if pupil_id else "",
        "pupil": known.get(pupil_id) if pupil_id else None,
        "query": query,
        "found": search.find(query, by=request.member, here={pupil_id}) if pupil_id else [],
        "merges": _with_names(merges),
    }
    return TemplateResponse(request, "grading/duplicates.html", context)


def _with_classes(
    pair: Suspected, known: Mapping[uuid.UUID, Pupil]
) -> tuple[Pupil, Pupil, Suspected]:
    one, other = known[pair.one], known[pair.other]
    because = (*pair.because, *duplicates.both_in(one, other))
    return one, other, dataclasses.replace(pair, because=because)


@posted_or_back_to("admin:duplicates")
def not_same(request: MemberRequest) -> HttpResponseBase:
    """Note that two pupils are not the same; without ``sure``, ask first: they are told no more."""
    try:
        one, other = _two(request.POST)
    except MergedAlready as already:
        return _to(request, already)
    if "sure" not in request.POST:
        return _ask_whether_two(request, one, other)
    not_the_same.note(one.id, other.id, by=request.member, origin=request.origin)
    messages.success(
        request,
        f"Noted: {one.name} and {other.name} are two. They are told as possible duplicates again "
        "when the name or the date of birth of one of them changes.",
    )
    return redirect("admin:duplicates")


def _ask_whether_two(request: MemberRequest, one: Pupil, other: Pupil) -> HttpResponseBase:
    beside = [("keep", str(one.id)), ("other", str(other.id))]
    then = (
        f"{one.name} and {other.name} are then told as possible duplicates no more, neither here "
        "nor in the queue, until the name or the date of birth of one of them changes. They can "
        "still be merged."
    )
    context = {
        "title": "Not the same pupil?",
        "back": ("Pupils twice", "admin:duplicates"),
        "back_to": f"{reverse('admin:merge')}?{urlencode(beside)}",
        "told": [then],
        "listed": [one.introduced, other.introduced],
        "asked": beside,
        "button": "They are two",
    }
    return TemplateResponse(request, "admin/sure.html", context)


def _merges() -> QuerySet[Any]:
    return (
        Decision.objects.filter(kind=Decision.Kind.MERGE)
        .select_related("decided_by")
        .annotate(
            in_force=Count("exclusions", filter=Q(exclusions__lifted_by__isnull=True)),
        )
        .order_by("-number")
    )


def _with_names(merges: Iterable[Any]) -> list[tuple[Any, str, str]]:
    some = list(merges)
    titles = naming.titles(
        (each.criteria.get("type", "student"), uuid.UUID(each.criteria[name]))
        for each in some
        for name in ("survivor", "duplicate")
    )
    return [
        (
            each,
            titles[uuid.UUID(each.criteria["survivor"])],
            titles[uuid.UUID(each.criteria["duplicate"])],
        )
        for each in some
    ]


# The merge. ---------------------------------------------------------------------------------------


def compare(request: MemberRequest) -> HttpResponseBase:
    """Two pupils beside each other, what a merge would do, and the choices that it leaves. A POST
    shows it again, with other choices."""
    sent = request.POST or request.GET
    if not sent.get("keep") and not sent.get("other"):
        return redirect("admin:duplicates")
    return _compare(request, sent)


@posted_or_back_to("admin:merge")
def execute(request: MemberRequest) -> HttpResponseBase:
    """Merge as it was shown, or do nothing."""
    try:
        keep, other = _two(request.POST)
    except MergedAlready as already:
        return _to(request, already)
    confirmed = Confirmed(request.POST)
    if not confirmed.is_valid():
        return _compare(request, request.POST, confirmed=confirmed, status=422)
    given = confirmed.cleaned_data
    try:
        merged = merge(
            other.id,
            keep.id,
            entity_type="student",
            school=request.member.school,
            by=request.member,
            origin=request.origin,
            reason=given["reason"],
            overwrite=_chosen(request.POST),
            token=given["token"],
            idempotency_key=given["key"] or None,
        )
    except MergeChanged as changed:
        trouble: Exception = changed
        if request.POST.get("shown") != _choices(request.POST):
            trouble = OtherChoice(
                "Other values are chosen now than when this was shown, and that may come to "
                "something else. Look at it, and confirm."
            )
        return _compare(request, request.POST, trouble=trouble, status=409)
    except REFUSALS as refusal:
        return _compare(request, request.POST, trouble=refusal, status=409)
    assert merged.decision is not None  # noqa: S101 - it was decided
    again = " (it was sent twice, and done once)" if merged.repeated else ""
    messages.success(request, f"Merged, decision {merged.decision.number}{again}.")
    return redirect("admin:merged", merged.decision.number)


def _to(request: MemberRequest, already: MergedAlready) -> HttpResponseBase:
    messages.info(request, str(already))
    return redirect("admin:merged", already.decision.number)


def _two(sent: QueryDict) -> tuple[Pupil, Pupil]:
    """Return the pupil to keep and the other one. Raises Http404, MergedAlready."""
    form = Two(sent)
    if not form.is_valid():
        raise Http404
    keep, other = form.cleaned_data["keep"], form.cleaned_data["other"]
    known = duplicates.pupils({keep, other})
    if keep == other or keep not in known or other not in known:
        merged = _merges().filter(
            criteria__survivor__in=[str(keep), str(other)],
            criteria__duplicate__in=[str(keep), str(other)],
            in_force__gt=0,
        )
        if keep != other and (done := merged.first()):
            raise MergedAlready(done)
        raise Http404
    return known[keep], known[other]


def _chosen(sent: QueryDict) -> list[tuple[uuid.UUID, str]]:
    """Return the cells in which the other pupil's value was chosen. Raises Http404."""
    chosen = []
    for name in sent:
        if name.startswith("pair-") and sent[name] == "other":
            record, _, field = name.removeprefix("pair-").partition(".")
            try:
                chosen.append((uuid.UUID(record), field))
            except ValueError as error:
                raise Http404 from error
    return sorted(chosen)


def _choices(sent: QueryDict) -> str:
    return " ".join(f"{record}.{field}" for record, field in _chosen(sent))


def _compare(
    request: MemberRequest,
    sent: QueryDict,
    *,
    confirmed: Confirmed | None = None,
    trouble: Exception | None = None,
    status: int = 200,
) -> HttpResponseBase:
    try:
        keep, other = _two(sent)
    except MergedAlready as already:
        return _to(request, already)
    merged: Merged | None = None
    cannot: Exception | None = None
    try:
        merged = rehearse_merge(
            other.id,
            keep.id,
            entity_type="student",
            school=request.member.school,
            by=request.member,
            origin=request.origin,
            overwrite=_chosen(sent),
        )
    except REFUSALS as refusal:
        cannot = refusal
    context = {
        "keep": keep,
        "other": other,
        "may_swap": keep.stands == other.stands,
        "cannot": cannot,
        "trouble": trouble if str(trouble) != str(cannot) else None,
        "merged": merged,
        "details": _details(keep, other, merged),
        "classes": _classes(keep, other, merged),
        "has_choice": bool(merged and any(pair.differs for pair in merged.pairs)),
        "shown": _choices(sent),
        "approved": _settled(queue.lines_of(merged.done)) if merged else [],
        "second_person": queue.lines_of(merged.second_person) if merged else [],
        "keeps_waiting": _keeps_waiting(request, keep, other, merged),
        "confirmed": confirmed
        or Confirmed(initial={"reason": sent.get("reason") or "The same pupil was entered twice."}),
        "key": uuid.uuid4().hex,
    }
    return TemplateResponse(request, "grading/merge.html", context, status=status)


def _details(keep: Pupil, other: Pupil, merged: Merged | None) -> list[Row]:
    """Return the details of the two, and where they differ with the choice."""
    tracked = registry.get("student")
    pairs = (
        {pair.field: pair for pair in merged.pairs if pair.entity_id == keep.id} if merged else {}
    )
    names = [name for name in tracked.fields if name in pairs or name in duplicates.FIELDS]
    values = {
        name: (
            keep.details.get(name) or (pairs[name].kept if name in pairs else None),
            other.details.get(name) or (pairs[name].other if name in pairs else None),
        )
        for name in names
    }
    texts = naming.value_texts(
        ("student", name, value) for name, both in values.items() for value in both if value
    )

    def as_read(name: str, value: str | None) -> str:
        return texts["student", name, value] if value else ""

    return [
        Row(
            label=tracked.field(name).label,
            kept=as_read(name, kept),
            other=as_read(name, theirs),
            pair=pairs.get(name),
        )
        for name, (kept, theirs) in values.items()
        if name in pairs or kept or theirs
    ]


def _classes(keep: Pupil, other: Pupil, merged: Merged | None) -> list[tuple[str, str, list[Row]]]:
    """Return, by class, what becomes of the other pupil's enrolment, and its mark and comment
    beside the kept one's."""
    moving = {each for _, each in merged.moving} if merged else set()
    pairs = {(p.entity_id, p.field): p for p in merged.pairs} if merged else {}
    of_kept = {one.section_id: one for one in keep.classes}
    told = []
    for theirs in other.classes:
        mine = of_kept.pop(theirs.section_id, None)
        rows = [
            Row(
                label=label,
                kept=kept.text if kept else "",
                kept_by=kept.proposed_by if kept else "",
                other=value.text if value else "",
                other_by=value.proposed_by if value else "",
                pair=pairs.get((mine.id, name)) if mine else None,
            )
            for name, label in (("grade", "mark"), ("comment", "comment"))
            for kept, value in [
                (getattr(mine, name) if mine else None, getattr(theirs, name)),
            ]
            if kept or value
        ]
        what = "both" if mine else "moves" if theirs.id in moving else "stays"
        told.append((theirs.label, what, rows))
    for mine in of_kept.values():
        rows = [
            Row(label=label, kept=value.text, kept_by=value.proposed_by, other="")
            for label, value in (("mark", mine.grade), ("comment", mine.comment))
            if value
        ]
        told.append((mine.label, "kept", rows))
    return told


def _keeps_waiting(
    request: MemberRequest, keep: Pupil, other: Pupil, merged: Merged | None
) -> list[queue.Line]:
    """Return what waits in the classes of the two, and will wait still."""
    if merged is None:
        return []
    ids = {one.id for pupil in (keep, other) for one in pupil.classes}
    gone = {*merged.set_aside, *(each.id for each in merged.done)}
    still = Change.objects.of("enrollment", *ids).open().exclude(pk__in=gone)
    return queue.lines(request.member.school, list(still.values_list("pk", flat=True)))


# What was merged, and undoing it. -----------------------------------------------------------------


@require_safe
def merged(request: MemberRequest, number: int) -> HttpResponseBase:
    """One merge: who, when, why, whom, and whether it was undone."""
    decision = _merge_or_404(number)
    ((_, survivor, duplicate),) = _with_names([decision])
    excluded = Change.objects.filter(exclusions__decision=decision)
    approved = Change.objects.filter(decision=decision, status=Change.Status.APPROVED)
    school = request.member.school
    context = {
        "decision": decision,
        "survivor": survivor,
        "survivor_id": decision.criteria["survivor"],
        "duplicate": duplicate,
        "approved": _decided(school, approved),
        "excluded": _decided(school, excluded),
        "undone": Decision.objects.filter(undoes=decision)
        .select_related("decided_by")
        .order_by("number"),
    }
    return TemplateResponse(request, "grading/merged.html", context)


@require_safe
def unmerge(request: MemberRequest, number: int) -> HttpResponseBase:
    """What undoing a merge would do."""
    return _unmerge(request, _merge_or_404(number))


@posted_or_back_to("admin:unmerge")
def unmerge_execute(request: MemberRequest, number: int) -> HttpResponseBase:
    """Undo a merge, whole, if it is still what was shown."""
    decision = _merge_or_404(number)
    confirmed = ConfirmedUndoing(request.POST)
    if not confirmed.is_valid():
        return _unmerge(request, decision, confirmed=confirmed, status=422)
    given = confirmed.cleaned_data
    try:
        done = revert.reinstate(
            decision,
            school=request.member.school,
            by=request.member,
            origin=request.origin,
            reason=given["reason"],
            token=given["token"],
            idempotency_key=given["key"] or None,
        )
    except PreviewChanged as changed:
        return _unmerge(request, decision, trouble=changed, status=409)
    except (KeysClash, NothingToDo, CannotProject, MayNotDecide) as refusal:
        return _unmerge(request, decision, trouble=refusal, status=409)
    messages.success(request, f"The merge is undone, decision {done.decision.number}.")
    return redirect("admin:merged", number)


def _unmerge(
    request: MemberRequest,
    decision: Any,
    *,
    confirmed: Confirmed | None = None,
    trouble: Exception | None = None,
    status: int = 200,
) -> HttpResponseBase:
    shown = revert.preview_reinstatement(decision, school=request.member.school)
    ((_, survivor, duplicate),) = _with_names([decision])
    back = [each for line in shown.lines for each in line.change_ids]
    context = {
        "decision": decision,
        "survivor": survivor,
        "duplicate": duplicate,
        "shown": shown,
        "waits_again": queue.lines(
            request.member.school, [each for each in back if each in set(shown.returning)]
        ),
        "moves": _in_words(
            [
                Move(line.entity_type, line.entity_id, line.field, line.before, line.after)
                for line in shown.lines
                if line.before != line.after
            ]
            + shown.consequences
        ),
        "confirmed": confirmed
        or ConfirmedUndoing(initial={"reason": request.POST.get("reason", "")}),
        "trouble": trouble,
        "key": uuid.uuid4().hex,
    }
    return TemplateResponse(request, "grading/unmerge.html", context, status=status)


def _decided(school: School, changes: QuerySet[Change]) -> list[queue.Line]:
    """Return lines for what was decided."""
    return _settled(queue.lines(school, list(changes.values_list("pk", flat=True))))


def _settled(lines: Iterable[queue.Line]) -> list[queue.Line]:
    """Return lines without what is in question: the merge answers it."""
    return [dataclasses.replace(line, sides=()) for line in lines]


def _merge_or_404(number: int) -> Any:
    return get_object_or_404(_merges(), number=number)


def _in_words(moves: Sequence[Move]) -> list[Moved]:
    """Say what becomes of each record; of one that comes or goes, that says it all."""
    whole = {move.entity_id for move in moves if move.field == EXISTS}
    titles = naming.titles((move.entity_type, move.entity_id) for move in moves)
    texts = naming.value_texts(
        (move.entity_type, move.field, value)
        for move in moves
        for value in (move.before, move.after)
    )
    told = []
    for move in sorted(moves, key=lambda m: (titles[m.entity_id], m.field)):
        tracked = registry.get(move.entity_type)
        if move.field == EXISTS:
            becomes = _BECOMES[move.after or FALSE]
            told.append(Moved(title=titles[move.entity_id], label=tracked.label, becomes=becomes))
        elif move.entity_id not in whole:
            key = (move.entity_type, move.field)
            told.append(
                Moved(
                    title=titles[move.entity_id],
                    label=tracked.field(move.field).label,
                    before=texts[*key, move.before],
                    after=texts[*key, move.after],
                )
            )
    return told


_BECOMES = {
    TRUE: "comes back",
    FALSE: "is hidden until the pupil whom it belongs to is approved",
}
