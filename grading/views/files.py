"""A mark sheet as a file: download it, upload it, look at what would be saved, save that."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe

from accounts.disclosures import disclosed
from accounts.in_school import MemberRequest, in_school
from accounts.posting import posted_or_back_to
from grading.access import access_section, interest, is_own, note_visit
from grading.files import download, table, upload
from grading.marks import in_words
from grading.sheet import Sheet, load


@require_safe
@in_school()
def as_file(request: MemberRequest, section_id: uuid.UUID, kind: str) -> HttpResponse:
    """The sheet as XLSX or CSV."""
    member = request.member
    section = access_section(member, section_id)
    sheet = load(section, by=member, at=request.origin.at)
    write, content_type = {
        "xlsx": (download.as_xlsx, download.XLSX),
        "csv": (download.as_csv, download.CSV),
    }[kind]
    disclosed(
        request,
        [row.student.id for row in sheet.editable if row.student],
        what=f"mark sheet of {section} as {kind.upper()}",
        why=interest(member, is_own=is_own(member, section)),
        facts={"section": str(section.pk)},
    )
    name = content_disposition_header(True, download.file_name(sheet, kind)) or "attachment"
    return HttpResponse(write(sheet), content_type, headers={"Content-Disposition": name})


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def look_at_file(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    """Ask for a file; sent one, show what would be saved of it."""
    member = request.member
    section = access_section(member, section_id)
    sheet = load(section, by=member, at=request.origin.at)
    if request.method != "POST":
        note_visit(request, section)
        return _page(request, sheet)
    if sheet.is_locked:
        return _page(request, sheet, status=422)
    file = request.FILES.get("file")
    if file is None:
        return _page(request, sheet, error="Choose a file first.", status=422)
    try:
        said = table.read(file.read())
    except table.Unreadable as error:
        return _page(request, sheet, error=str(error), status=422)
    preview = upload.preview(said, sheet, by=member, origin=request.origin)
    seal = upload.sealed(preview.items, sheet, by=member)
    return _page(request, sheet, preview=preview, seal=seal, notice=said.notice, file=file.name)


@posted_or_back_to("upload")
@in_school()
def save_file(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    """Save what was shown."""
    member, seal = request.member, request.POST.get("seal", "")
    reason = request.POST.get("reason", "").strip()[:2000]
    sheet = load(access_section(member, section_id), by=member, at=request.origin.at)
    try:
        items, gone = upload.opened(seal, sheet, by=member)
    except upload.PreviewGone:
        error = "What you looked at is no longer there. Nothing was saved: upload the file again."
        return _page(request, sheet, error=error, status=422)
    if not reason and any(item.corrects for item in items):
        shown = upload.Preview(items, gone)
        return _page(request, sheet, preview=shown, seal=seal, wants_reason=True, status=422)
    saved = upload.save(items, seal=seal, reason=reason, by=member, origin=request.origin)
    if saved.changes:
        messages.success(request, in_words(saved, of=" of your file"))
    if problems := [*gone, *upload.problems_of(saved.refused, items)]:
        return _page(request, sheet, not_saved=problems, status=422)
    return redirect("sheet", section_id)


def _page(request: MemberRequest, sheet: Sheet, *, status: int = 200, **said: Any) -> HttpResponse:
    preview = said.get("preview")
    page = "grading/upload_preview.html" if preview else "grading/upload.html"
    context = {"sheet": sheet, "section": sheet.section, **said}
    return TemplateResponse(request, page, context, status=status)
