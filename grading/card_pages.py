"""The office's pages of report cards: how far those of a term are, making them, releasing and
sending them."""

import dataclasses
import uuid
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe

from accounts.disclosures import disclosed
from accounts.in_school import MemberRequest, as_uuid
from accounts.models import AuditLog
from accounts.posting import posted_or_back_to

from . import card_files, card_mail, card_runs, card_scope, class_list, issuing, report_card
from .card_scope import Scope
from .issuing import NotPrinted
from .models import CardOfRun, CardRun, IssuedCard, Term
from .report_card import Card

ON_A_PAGE = 100
RUNS_SHOWN = 10
PURPOSE = "report cards of the term"
STATES = {
    "lacking": "not ready",
    "ready": "ready",
    "issued": "issued",
    "differs": "differs from what was issued",
}


class Wanted(forms.Form):
    """What the office asks for with the cards of a scope."""

    with_blanks = forms.BooleanField(
        label="Print also what is not ready, its blanks marked, as with “No mark”",
        required=False,
    )
    reason = forms.CharField(
        label="Why cards that differ from what was issued are issued anew",
        required=False,
        max_length=1000,
        help_text="Kept with the card and not printed on it. Without a reason they are left out.",
    )


@dataclasses.dataclass(frozen=True)
class Line:
    """A pupil's card: what it would say now, and what was issued last."""

    card: Card
    issued: IssuedCard | None

    @property
    def state(self) -> str:
        if self.issued:
            return "issued" if self.issued.said_digest == self.card.digest else "differs"
        return "ready" if self.card.is_ready else "lacking"

    @property
    def state_label(self) -> str:
        return STATES[self.state]


@require_safe
def of_term(request: MemberRequest) -> HttpResponseBase:
    """Whose cards, how far each is, and what can be done."""
    school = request.member.school
    terms = class_list.terms(request.member)
    chosen = {str(term.pk): term for term in terms}.get(request.GET.get("term", ""))
    term = chosen or class_list.current_term(terms, timezone.localdate(request.origin.at))
    if term is None:
        return TemplateResponse(request, "grading/cards.html", {"terms": []})
    scope = _scope(request.GET.get("of") or "school", term)
    lines = _lines(scope, term, request)
    state = request.GET.get("state", "")
    shown = [line for line in lines if state in ("", line.state)]
    counted = Counter(line.state for line in lines)
    asked = {"term": term.pk, "of": scope.key}
    context = {
        "terms": terms,
        "term": term,
        "scope": scope,
        "choices": card_scope.choices(term),
        "counts": [(each, label, counted[each]) for each, label in STATES.items()],
        "any_differs": counted["differs"],
        "total": len(lines),
        "state": state if state in STATES else "",
        "page": Paginator(shown, ON_A_PAGE).get_page(request.GET.get("page")),
        "query": urlencode(asked),
        "rest_of_query": urlencode(asked | ({"state": state} if state else {})),
        "form": Wanted(),
        "key": uuid.uuid4().hex,
        "released": card_mail.released(term),
        "outgoing": card_mail.outgoing(term, school=school),
        "runs": CardRun.objects.filter(school=school, term_id=term.pk)
        .select_related("asked_by")
        .order_by("-asked_at", "-id")[:RUNS_SHOWN],
    }
    return TemplateResponse(request, "grading/cards.html", context)


@posted_or_back_to("admin:cards")
def make(request: MemberRequest) -> HttpResponseBase:
    """Ask for the cards of a scope, and lead to how far they are."""
    term = _term(request.POST.get("term"), request)
    scope = _scope(request.POST.get("of", ""), term)
    form = Wanted(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["reason"])))
        return redirect(_address(term, scope.key))
    try:
        run = card_runs.ask(
            scope,
            term,
            by=request.member,
            origin=request.origin,
            with_blanks=form.cleaned_data["with_blanks"],
            reason=form.cleaned_data["reason"].replace("\x00", ""),
            key=request.POST.get("key", "")[:64].replace("\x00", ""),
        )
    except card_runs.NobodyToPrint as refusal:
        messages.error(request, str(refusal))
        return redirect(_address(term, scope.key))
    return redirect("admin:card_run", run.pk)


@require_safe
def run(request: MemberRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """How far a run is: a page, or what of it changes while it is under way."""
    found = _run(run_id, request)
    result = card_runs.result(found)
    context = {
        "run": found,
        "result": result,
        "term": Term.objects.filter(school=request.member.school, pk=found.term_id).first(),
    }
    fragment = request.headers.get("HX-Request") == "true"
    template = "grading/card_run_state.html" if fragment else "grading/card_run.html"
    return TemplateResponse(request, template, context)


@posted_or_back_to("admin:card_run")
def cancel(request: MemberRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Make no more cards of a run."""
    try:
        card_runs.cancel(_run(run_id, request), at=request.origin.at)
    except card_runs.NotUnderWay as refusal:
        messages.info(request, str(refusal))
    else:
        messages.success(request, "Cancelled. What was issued until then stays issued.")
    return redirect("admin:card_run", run_id)


@require_safe
def as_pdf(request: MemberRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """The cards of a run, bound into one PDF."""
    found = _run(run_id, request)
    rows = _made(found, request, "as one PDF")
    title = f"Report cards: {found.label}"
    name = f"Report cards {found.label}.pdf"
    return _streamed(card_files.bound(rows, title=title), name, "application/pdf")


@require_safe
def as_zip(request: MemberRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """The cards of a run, each as it was issued, in a zip."""
    found = _run(run_id, request)
    rows = _made(found, request, "as a zip")
    name = f"Report cards {found.label}.zip"
    return _streamed(card_files.zipped(rows), name, "application/zip")


@require_safe
def issued(request: MemberRequest, card_id: uuid.UUID) -> HttpResponse:
    """A card as it was issued, byte for byte."""
    card = get_object_or_404(IssuedCard, school=request.member.school, pk=card_id)
    what = f"report card of {card.pupil} opened, version {card.version}"
    disclosed(request, [card.pupil_id], what=what, why=PURPOSE, event=AuditLog.Event.VIEW)
    name = card_files.file_name(card.pupil)
    return _file(bytes(card.file), name, "application/pdf", is_shown=True)


@require_safe
def versions(request: MemberRequest, term_id: uuid.UUID, pupil_id: uuid.UUID) -> HttpResponseBase:
    """Every version of a pupil's card that was issued, and how it differs from what holds now."""
    school = request.member.school
    rows = list(
        IssuedCard.objects.filter(school=school, term_id=term_id, pupil_id=pupil_id)
        .select_related("issued_by")
        .defer("file")
        .order_by("-version")
    )
    if not rows:
        raise Http404
    term = Term.objects.filter(school=school, pk=term_id).first()
    found = report_card.cards([pupil_id], term, school=school) if term else []
    context = {
        "rows": rows,
        "pupil": rows[0].pupil,
        "term": term,
        "differences": report_card.differences(rows[0].said, found[0].said) if found else None,
    }
    return TemplateResponse(request, "grading/card_versions.html", context)


@require_safe
def preview(request: MemberRequest, term_id: uuid.UUID, pupil_id: uuid.UUID) -> HttpResponseBase:
    """A pupil's card as it would be issued now, marked as not issued."""
    term = _term(str(term_id), request)
    try:
        paper = issuing.preview(pupil_id, term, school=request.member.school, at=request.origin.at)
    except NotPrinted as failure:
        messages.error(request, f"The card could not be printed: {failure}")
        return redirect(_address(term, f"pupil:{pupil_id}"))
    if paper is None:
        raise Http404
    what = f"preview of the report card, {term}"
    disclosed(request, [pupil_id], what=what, why=PURPOSE, event=AuditLog.Event.VIEW)
    return _file(paper.pdf, "preview.pdf", "application/pdf", is_shown=True)


@require_http_methods(["GET", "HEAD", "POST"])
def release(request: MemberRequest) -> HttpResponseBase:
    """Say what it means that the cards of a term may go out, and let them."""
    term = _asked_term(request)
    if term is None:
        return redirect("admin:cards")
    scope = _asked_scope(request, term)
    if request.method != "POST":
        return _confirmation(request, term, scope, "release")
    card_mail.release(term, by=request.member, origin=request.origin)
    messages.success(request, f"The report cards of {term} are released: they can be sent now.")
    return redirect(_address(term, scope.key))


@require_http_methods(["GET", "HEAD", "POST"])
def send(request: MemberRequest) -> HttpResponseBase:
    """Say which issued cards would be sent to how many guardians, and send them."""
    term = _asked_term(request)
    if term is None:
        return redirect("admin:cards")
    scope = _asked_scope(request, term)
    if request.method != "POST":
        return _confirmation(request, term, scope, "send")
    seen = request.POST.get("seen", "")
    try:
        found = card_mail.send(term, seen=seen, by=request.member, origin=request.origin)
    except card_mail.NotReleased as refusal:
        messages.error(request, str(refusal))
    except card_mail.NotAsSeen as refusal:
        messages.warning(request, str(refusal))
        return _confirmation(request, term, scope, "send", status=409)
    else:
        count = len(found.to_send)
        if count:
            messages.success(
                request, f"{count} report card{'s are' if count > 1 else ' is'} on the way."
            )
        else:
            messages.info(request, "Nothing was sent: there is no card that was not sent before.")
    return redirect(_address(term, scope.key))


def _confirmation(
    request: MemberRequest, term: Term, scope: Scope, step: str, *, status: int = 200
) -> HttpResponseBase:
    school = request.member.school
    outgoing = card_mail.outgoing(term, school=school)
    context = {
        "term": term,
        "scope": scope,
        "step": step,
        "outgoing": outgoing,
        "not_issued": len(set(_scope("school", term).pupil_ids) - outgoing.issued),
        "released": card_mail.released(term),
        "back": _address(term, scope.key),
    }
    return TemplateResponse(request, "grading/cards_confirm.html", context, status=status)


def _lines(scope: Scope, term: Term, request: MemberRequest) -> list[Line]:
    school = request.member.school
    before = issuing.latest(term.pk, school=school, pupil_ids=scope.pupil_ids)
    cards = report_card.cards(scope.pupil_ids, term, school=school)
    return [Line(card, before.get(card.pupil_id)) for card in cards]


def _term(text: str | None, request: MemberRequest) -> Term:
    return get_object_or_404(Term, school=request.member.school, pk=as_uuid(text))


def _asked_term(request: MemberRequest) -> Term | None:
    """Return the term of a form, or of an address; None where an address names none."""
    if request.method == "POST":
        return _term(request.POST.get("term"), request)
    return _term(request.GET["term"], request) if "term" in request.GET else None


def _asked_scope(request: MemberRequest, term: Term) -> Scope:
    """Return what was chosen on the page of cards, to come back to it."""
    asked = request.POST if request.method == "POST" else request.GET
    return _scope(asked.get("of") or "school", term)


def _scope(key: str, term: Term) -> Scope:
    try:
        return card_scope.find(key.replace("\x00", ""), term)
    except card_scope.UnknownScope as error:
        raise Http404 from error


def _run(run_id: uuid.UUID, request: MemberRequest) -> CardRun:
    runs = CardRun.objects.select_related("asked_by")
    return get_object_or_404(runs, school=request.member.school, pk=run_id)


def _address(term: Term, scope: str) -> str:
    at = reverse("admin:cards")
    return f"{at}?{urlencode({'term': term.pk, 'of': scope})}"


def _made(found: CardRun, request: MemberRequest, form: str) -> list[CardOfRun]:
    """Return the cards of a run that leave the school in this form, and write that down."""
    rows = card_files.made(found)
    if not rows:
        raise Http404
    disclosed(
        request,
        [row.card.pupil_id for row in rows if row.card],
        what=f"report cards {form}: {found.label}",
        why=PURPOSE,
        facts={"run": str(found.pk)},
    )
    return rows


def _file(content: bytes, name: str, media_type: str, *, is_shown: bool = False) -> HttpResponse:
    headers = {"Content-Disposition": _disposition(name, is_shown=is_shown)}
    return HttpResponse(content, media_type, headers=headers)


def _streamed(content: Iterator[bytes], name: str, media_type: str) -> HttpResponseBase:
    headers = {"Content-Disposition": _disposition(name)}
    return StreamingHttpResponse(content, media_type, headers=headers)


def _disposition(name: str, *, is_shown: bool = False) -> str:
    return content_disposition_header(not is_shown, name) or "attachment"
