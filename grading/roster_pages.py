"""The office's pages of rosters: importing one, with a look at what it would do, and exporting."""

import datetime as dt
import tempfile
import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header, urlencode
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest
from accounts.models import School
from accounts.posting import posted_or_back_to, takes_up_to
from changes.models import ChangeSet

from .models import RosterUpload
from .oneroster import export as exporting
from .oneroster import looking, progress, uploaded
from .oneroster.removal import Held

LATEST = 20
TAKEN = 2 * uploaded.MAX_UPLOAD
"""Bytes: so much is taken in, for a word about what is too large."""


class ExportForm(forms.Form):
    """What goes out, and to whom."""

    since = forms.DateField(
        label="Only what has changed since",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="This day included. Leave it empty for all of the school.",
    )
    to = forms.CharField(
        label="Who gets it",
        max_length=200,
        help_text="It is written down at each pupil whose record is in the files.",
        error_messages={"required": "Say who gets it."},
    )
    why = forms.CharField(
        label="What for", max_length=200, error_messages={"required": "Say what for."}
    )


@require_safe
def start(request: MemberRequest) -> HttpResponseBase:
    """The forms of both, and the latest imports."""
    return _start(request)


@takes_up_to(TAKEN)
@posted_or_back_to("admin:roster")
def upload(request: MemberRequest) -> HttpResponseBase:
    """Keep what was chosen, and lead to what it would do."""
    try:
        kept = uploaded.keep(request.FILES.getlist("file"), by=request.member, at=request.origin.at)
    except uploaded.NoDelivery as refusal:
        return _start(request, error=str(refusal), status=422)
    return redirect("admin:roster_preview", kept.pk)


@require_safe
def preview(request: MemberRequest, upload_id: uuid.UUID) -> HttpResponseBase:
    """How far the worker is with an upload; what importing it would do: new, changed, gone,
    refused with reasons; or what was done. A page, or what of it changes."""
    kept = uploaded.find(request.member.school, upload_id)
    if kept is None:
        raise Http404
    if request.headers.get("HX-Request") == "true":
        if kept.is_under_way:
            return TemplateResponse(request, "grading/roster_progress.html", _of(kept))
        # What is there now is a page of its own: have it opened instead.
        return HttpResponse(headers={"HX-Refresh": "true"})
    return _preview(request, kept)


@posted_or_back_to("admin:roster_preview")
def take(request: MemberRequest, upload_id: uuid.UUID) -> HttpResponseBase:
    """Have the worker import what was shown."""
    try:
        kept = uploaded.confirm(
            upload_id,
            request.POST.get("token", ""),
            by=request.member,
            origin=request.origin,
            removals=request.POST.get("removals") == "yes",
        )
    except uploaded.LookedAtAgain:
        messages.info(request, "It is just being looked at again; nothing was confirmed.")
        return redirect("admin:roster_preview", upload_id)
    except uploaded.ShownOtherwise:
        trouble = (
            "It would do something else by now than what you saw. Nothing was imported. Look at it "
            "again."
        )
        return _preview_again(request, upload_id, trouble=trouble, status=409)
    except Held:
        trouble = "Nothing was imported. Tick the box, if it is meant to take that much away."
        return _preview_again(request, upload_id, trouble=trouble, status=422)
    if kept is None:
        messages.info(request, "This roster is not there any more: it is kept for a day.")
        return redirect("admin:roster")
    return redirect("admin:roster_preview", kept.pk)


@posted_or_back_to("admin:roster_preview")
def look_again(request: MemberRequest, upload_id: uuid.UUID) -> HttpResponseBase:
    """Have the worker look anew what importing an upload would do."""
    if uploaded.look_again(upload_id, by=request.member) is None:
        messages.info(request, "This roster is not there any more: it is kept for a day.")
        return redirect("admin:roster")
    return redirect("admin:roster_preview", upload_id)


@require_safe
def problems(request: MemberRequest, upload_id: uuid.UUID) -> HttpResponseBase:
    """All that is wrong with an upload, for whoever puts it right, as CSV."""
    kept = uploaded.find(request.member.school, upload_id)
    if kept is None or not (kept.shown or {}).get("problems"):
        raise Http404
    name = content_disposition_header(as_attachment=True, filename="roster problems.csv")
    return HttpResponse(
        looking.problems_as_csv(kept.shown or {}),
        "text/csv; charset=utf-8",
        headers={"Content-Disposition": name or "attachment"},
    )


@posted_or_back_to("admin:roster")
def export(request: MemberRequest) -> HttpResponseBase:
    """The school as a zip of OneRoster files."""
    form = ExportForm(request.POST)
    if not form.is_valid():
        return _start(request, form=form, status=422)
    day = form.cleaned_data["since"]
    since = None
    if day:
        since = timezone.make_aware(dt.datetime.combine(day, dt.time()))  # by the school's clock
    spool = tempfile.SpooledTemporaryFile(max_size=2_000_000)  # noqa: SIM115 - closed by the response
    with exporting.packed(spool) as files:  # type: ignore[arg-type]
        done = exporting.export(request.member.school, files, since=since)
    exporting.note(
        done,
        school=request.member.school,
        user=request.member.user,
        origin=request.origin,
        since=since,
        to=form.cleaned_data["to"],
        why=form.cleaned_data["why"],
    )
    spool.seek(0)
    name = f"{request.member.school.slug}{f'-since-{day}' if day else ''}.zip"
    return FileResponse(spool, as_attachment=True, filename=name)


def _start(
    request: MemberRequest, *, form: ExportForm | None = None, error: str = "", status: int = 200
) -> HttpResponseBase:
    school = request.member.school
    imports = ChangeSet.objects.filter(
        school=school, source=ChangeSet.Source.IMPORT
    ).select_related("initiator")
    context = {
        "form": form or ExportForm(),
        "error": error,
        "most": uploaded.MAX_UPLOAD // 1_000_000,
        "left_out": exporting.left_out(school),
        "uploads": [(each, _state(each)) for each in _uploads(school)],
        "imports": [
            (each, _revert_url(each)) for each in imports.order_by("-received_at", "-id")[:LATEST]
        ],
    }
    return TemplateResponse(request, "grading/roster.html", context, status=status)


def _uploads(school: School) -> QuerySet[RosterUpload]:
    """Return what was uploaded and not imported, without what is large."""
    return (
        RosterUpload.objects.filter(school=school, imported_at=None)
        .select_related("uploaded_by")
        .defer("content", "shown")
        .annotate(
            is_shown=ExpressionWrapper(Q(shown__isnull=False), BooleanField()),
            token=KeyTextTransform("token", "shown"),
        )
        .order_by("-uploaded_at", "-id")[:LATEST]
    )


def _state(upload: Any) -> str:
    """Say of one of `_uploads` what becomes of it."""
    if upload.failure:
        return "failed; nothing was imported"
    if upload.confirmed_at:
        return "being imported"
    if not upload.is_shown:
        return "being looked at"
    if upload.token:
        return "waits for you to import it"
    return "nothing would change" if upload.token == "" else "not to be imported: see why"


def _revert_url(each: ChangeSet) -> str:
    asked = {"account": str(each.initiator_id), "how": "typed", "change_set": str(each.pk)}
    return f"{reverse('admin:revert_preview')}?{urlencode(asked)}"


def _preview_again(
    request: MemberRequest, upload_id: uuid.UUID, *, trouble: str, status: int
) -> HttpResponseBase:
    kept = uploaded.find(request.member.school, upload_id)
    if kept is None:
        raise Http404
    return _preview(request, kept, trouble=trouble, status=status)


def _preview(
    request: MemberRequest, kept: RosterUpload, *, trouble: str = "", status: int = 200
) -> HttpResponseBase:
    context = _of(kept) | {"trouble": trouble}
    return TemplateResponse(request, "grading/roster_preview.html", context, status=status)


def _of(kept: RosterUpload) -> dict[str, Any]:
    looked = kept.shown or {}
    context = {
        "upload": kept,
        "looked": looked,
        "progress": progress.of(kept.pk) if kept.is_under_way else None,
    }
    if total := looked.get("total", 0):
        listed, in_file = len(looked["listed"]), len(looked["problems"])
        context["problems"] = f"{total:,} problem{'' if total == 1 else 's'}"
        context["more"] = f"{total - listed:,}" if total > listed else ""
        context["in_file"] = f"{in_file:,}" if in_file < total else ""
    return context
