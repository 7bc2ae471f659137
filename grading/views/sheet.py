"""The mark sheet: read, saved edit by edit, or as one form where there is no JavaScript."""

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
from changes.propose import Saved
from grading import access
from grading.marks import enter_marks, in_words
from grading.models import Section
from grading.sheet import Sheet, Typed, editable_rows, gone_entry, load, read, with_refusals


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
    """Save cells; the answer is what stands beside each of them from now on.

    Sent again under the same key, with the same texts, it saves nothing more.
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
    saved, gone = _enter(request, section, typed, touched=True, key=_key(request, typed))
    after = with_refusals(load(section, by=member, at=request.origin.at), saved.refused)
    entries = [after.entry_of(each) or gone_entry(each) for each in typed]
    status = 422 if saved.refused or gone else 200
    return TemplateResponse(request, "grading/answers.html", {"entries": entries}, status=status)


def _enter(
    request: MemberRequest,
    section: Section,
    typed: Sequence[Typed],
    *,
    touched: bool,
    key: str | None = None,
) -> tuple[Saved, list[Typed]]:
    """Save what was typed for pupils of the class. Returns also what was typed for others."""
    here = editable_rows({each.enrollment_id for each in typed}, section, by=request.member)
    saved = enter_marks(
        [each.draft(touched=touched) for each in typed if each.enrollment_id in here],
        by=request.member,
        origin=request.origin,
        idempotency_key=key,
    )
    return saved, [each for each in typed if each.enrollment_id not in here]


def _save_all(request: MemberRequest, section: Section) -> HttpResponse:
    """Save the cells of the whole form that were typed into.

    Without an idempotency key: sent again, nothing differs any more from what is seen, and a
    page that was gone back to may bring new text.
    """
    typed = [each for each in read(request.POST) if not each.is_untouched]
    saved, gone = _enter(request, section, typed, touched=False)
    if saved.changes:
        messages.success(request, in_words(saved))
    if not saved.refused and not gone:
        if not saved.changes:
            messages.info(request, "Nothing was changed, so nothing was saved.")
        return redirect("sheet", section.pk)
    sheet = load(section, by=request.member, at=request.origin.at)
    return _page(
        request, with_refusals(sheet, saved.refused), gone=gone, refused=len(saved.refused)
    )


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
