"""The mark sheet: read, saved cell by cell, or as one form where there is no JavaScript."""

import dataclasses
import hashlib
import uuid
from collections.abc import Sequence

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.in_school import MemberRequest, Refused, in_school
from grading import access
from grading.marks import enter_marks
from grading.models import Section
from grading.sheet import Sheet, Typed, load, load_row, read, refused_entry, with_refusals


class SomebodyElse(Refused):
    """A page of one person was sent after another signed in on the same browser."""


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def sheet(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    section = access.access_section(request.member, section_id)
    if request.method == "POST":
        return _save_all(request, section)
    access.note_visit(request, section)
    return _page(request, load(section, by=request.member, at=timezone.now()))


@require_POST
@in_school()
def save_cell(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    """Save one cell; the answer is what stands beside it."""
    member = request.member
    if request.POST.get("person", str(member.user_id)) != str(member.user_id):
        raise SomebodyElse(
            "Somebody else is signed in on this browser by now. Nothing was saved in their name: "
            "what you typed is kept, and is sent when you open this page signed in again."
        )
    section = access.access_section(member, section_id)
    typed = _the_cell(request)
    if load_row(typed.enrollment_id, section, typed.n, by=member) is None:
        raise Http404
    saved = enter_marks(
        [typed.draft(touched=True)],
        by=member,
        origin=request.origin,
        idempotency_key=_key(request, typed),
    )
    row = load_row(typed.enrollment_id, section, typed.n, by=member)
    entry = getattr(row, typed.field)
    if saved.refused:
        entry = refused_entry(entry, saved.refused[0])
    else:
        entry = dataclasses.replace(entry, reason=typed.reason)
    status = 422 if saved.refused else 200
    context = {"entry": entry, "section": section}
    return TemplateResponse(request, "grading/answer.html", context, status=status)


def _save_all(request: MemberRequest, section: Section) -> HttpResponse:
    """Save the cells of the whole form that were typed into.

    Without an idempotency key: sent again, nothing differs any more from what is seen, and a
    page that was gone back to may bring new text.
    """
    member = request.member
    before = load(section, by=member, at=request.origin.at)
    typed = [each for each in read(request.POST) if not each.is_untouched]
    here = [each for each in typed if before.row_of(each.enrollment_id)]
    saved = enter_marks(
        [each.draft(touched=False) for each in here], by=member, origin=request.origin
    )
    gone = [each for each in typed if each not in here]
    if saved.changes:
        messages.success(request, _in_words(len(saved.changes)))
    if not saved.refused and not gone:
        if not saved.changes:
            messages.info(request, "Nothing was changed, so nothing was saved.")
        return redirect("sheet", section.pk)
    after = with_refusals(load(section, by=member, at=request.origin.at), saved.refused)
    return _page(request, after, gone=gone, refused=len(saved.refused))


def _page(
    request: MemberRequest, sheet: Sheet, *, gone: Sequence[Typed] = (), refused: int = 0
) -> HttpResponse:
    context = {
        "sheet": sheet,
        "section": sheet.section,
        "is_own": access.is_own(request.member, sheet.section),
        "gone": [each for each in gone if each.text.strip()],
        "refused": refused,
        "focus": request.GET.get("pupil", ""),
    }
    status = 422 if refused or gone else 200
    return TemplateResponse(request, "grading/sheet.html", context, status=status)


def _the_cell(request: MemberRequest) -> Typed:
    """Return the cell that a request of htmx saves: the one whose field, or reason, sent it."""
    name = request.headers.get("HX-Trigger-Name", "")
    name = name.removesuffix("-reason").removesuffix("-mine")
    for typed in read(request.POST):
        if name in {"", f"{typed.field}-{typed.n}"}:
            return typed
    raise Http404


def _key(request: MemberRequest, typed: Typed) -> str | None:
    """Return the key of this edit. It covers what was typed: new text is no repeat."""
    given = request.POST.get("key", "")
    if not given:
        return None
    facts = "\0".join([given, str(typed.enrollment_id), typed.field, typed.text, typed.reason])
    return f"cell {hashlib.sha256(facts.encode(errors='surrogatepass')).hexdigest()}"


def _in_words(count: int) -> str:
    if count == 1:
        return "1 entry was saved and awaits approval."
    return f"{count} entries were saved and await approval."
