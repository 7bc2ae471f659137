"""The mark sheet: read, saved edit by edit, or as one form where there is no JavaScript."""

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
from changes.propose import NothingSaved, Saved
from grading import access
from grading.marks import enter_marks, in_words
from grading.models import Section
from grading.sheet import (
    Entry,
    Sheet,
    Typed,
    editable_rows,
    gone_entry,
    held_entry,
    load,
    overtaken_entry,
    read,
    with_overtaken,
    with_refusals,
)


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
def save_cells(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    """Save cells; the answer is what stands beside each of them from now on, and the counts and
    warnings of the whole sheet.

    Sent again under the same key, with the same texts, it saves nothing more. Of a pasted block all
    is saved or nothing.
    """
    member = request.member
    if request.POST.get("person", str(member.user_id)) != str(member.user_id):
        raise SomebodyElse(
            "Somebody else is signed in on this browser by now. Nothing was saved in their name: "
            "what you typed is kept, and is sent when you open this page signed in again."
        )
    section = access.access_section(member, section_id)
    typed = read(request.POST)
    if not typed:
        raise Http404
    whole = bool(request.POST.get("block"))
    done = _enter(request, section, typed, touched=True, key=_key(request, typed), whole=whole)
    after = with_refusals(load(section, by=member, at=request.origin.at), done.saved.refused)
    entries = [_entry(after, each, done) for each in typed]
    context = {"entries": entries, "sheet": after, "section": section}
    status = 422 if any(entry.error for entry in entries) else 200
    return TemplateResponse(request, "grading/answers.html", context, status=status)


@dataclasses.dataclass(frozen=True)
class _Done:
    """What became of a save. ``gone``: typed for pupils who are not on the sheet (any more);
    ``overtaken``: over what its author typed elsewhere; ``held``: of a block that was refused."""

    saved: Saved
    gone: list[Typed]
    overtaken: list[Typed]
    held: bool = False


def _entry(after: Sheet, typed: Typed, done: _Done) -> Entry:
    entry = after.entry_of(typed)
    if entry is None:
        return gone_entry(typed)
    if typed in done.overtaken:
        return overtaken_entry(entry, typed)
    return held_entry(entry, typed) if done.held and not entry.error else entry


def _enter(
    request: MemberRequest,
    section: Section,
    typed: Sequence[Typed],
    *,
    touched: bool,
    key: str | None = None,
    whole: bool = False,
) -> _Done:
    """Save what was typed for pupils of the class."""
    rows = editable_rows({each.enrollment_id for each in typed}, section, by=request.member)
    gone = [each for each in typed if each.enrollment_id not in rows]
    here = [each for each in typed if each.enrollment_id in rows]
    overtaken = [
        each
        for each in here
        if each.is_overtaken(getattr(rows[each.enrollment_id], each.field).cell)
    ]
    drafts = [each.draft(touched=touched) for each in here if each not in overtaken]
    nothing = Saved(None, [], [])
    if whole and (gone or overtaken):
        return _Done(nothing, gone, overtaken, held=True)
    try:
        saved = enter_marks(
            drafts, by=request.member, origin=request.origin, idempotency_key=key, whole=whole
        )
    except NothingSaved as refusal:
        refused = [draft for draft in refusal.drafts if draft.refused]
        return _Done(dataclasses.replace(nothing, refused=refused), gone, overtaken, held=True)
    return _Done(saved, gone, overtaken)


def _save_all(request: MemberRequest, section: Section) -> HttpResponse:
    """Save the cells of the whole form that were typed into.

    Without an idempotency key: sent again, nothing differs any more from what is seen, and a
    page that was gone back to may bring new text.
    """
    typed = [each for each in read(request.POST) if not each.is_untouched]
    done = _enter(request, section, typed, touched=False)
    saved, gone = done.saved, done.gone
    if saved.changes:
        messages.success(request, in_words(saved))
    if not (saved.refused or gone or done.overtaken):
        if not saved.changes:
            messages.info(request, "Nothing was changed, so nothing was saved.")
        return redirect("sheet", section.pk)
    sheet = with_refusals(load(section, by=request.member, at=request.origin.at), saved.refused)
    sheet = with_overtaken(sheet, done.overtaken)
    refused = len(saved.refused) + len(done.overtaken)
    return _page(request, sheet, gone=gone, refused=refused)


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


def _key(request: MemberRequest, typed: Sequence[Typed]) -> str | None:
    """Return the key of this save. It covers what was typed: new text is no repeat."""
    given = request.POST.get("key", "")
    if not given:
        return None
    facts = [
        part
        for each in typed
        for part in (str(each.enrollment_id), each.field, each.text, each.reason, str(each.insists))
    ]
    digest = hashlib.sha256("\0".join([given, *facts]).encode(errors="surrogatepass"))
    return f"cells {digest.hexdigest()}"
