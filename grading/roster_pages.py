"""The office's pages of rosters: importing one, with a look at what it would do, and exporting."""

import datetime as dt
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest
from accounts.posting import posted_or_back_to
from changes.models import ChangeSet

from .models import RosterUpload
from .oneroster import export as exporting
from .oneroster import uploaded
from .oneroster.problems import BadRoster
from .oneroster.removal import Held
from .oneroster.report import NAMES
from .oneroster.schools import NotInIt, Unclear
from .oneroster.told import DELETED, NEW, WITHDRAWS, Line
from .oneroster.uploaded import Looked

SHOWN = 100
"""So many records of one kind are listed; all are counted."""
LATEST = 20


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
    )
    why = forms.CharField(label="What for", max_length=200)


@dataclass(frozen=True)
class Group:
    """Records of one type that go one way."""

    heading: str
    what: str
    count: int
    lines: list[Line]

    @property
    def more(self) -> int:
        return self.count - len(self.lines)


@require_safe
def start(request: MemberRequest) -> HttpResponseBase:
    """The forms of both, and the latest imports."""
    return _start(request)


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
    """What importing an upload would do: new, changed, gone, refused with reasons."""
    return _preview(request, upload_id)


@posted_or_back_to("admin:roster_preview")
def take(request: MemberRequest, upload_id: uuid.UUID) -> HttpResponseBase:
    """Import what was shown."""
    try:
        done = uploaded.take(
            upload_id,
            request.POST.get("token", ""),
            by=request.member,
            origin=request.origin,
            confirmed=request.POST.get("removals") == "yes",
        )
    except uploaded.ShownOtherwise:
        trouble = "Something has changed since this was shown. Look at it again, and import it."
        return _preview(request, upload_id, trouble=trouble, status=409)
    except Held:
        trouble = "Nothing was imported. Tick the box, if it is meant to take that much away."
        return _preview(request, upload_id, trouble=trouble, status=422)
    except (BadRoster, NotInIt, Unclear):
        trouble = "Something has changed since this was shown. Nothing was imported."
        return _preview(request, upload_id, trouble=trouble, status=409)
    if done is None:
        messages.info(request, "This roster is not there any more: it was imported, or is old.")
    else:
        messages.success(request, _in_one(done.told))
    return redirect("admin:roster")


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
    imports = ChangeSet.objects.filter(
        school=request.member.school, source=ChangeSet.Source.IMPORT
    ).select_related("initiator")
    context = {
        "form": form or ExportForm(),
        "error": error,
        "imports": [
            (each, _revert_url(each)) for each in imports.order_by("-received_at", "-id")[:LATEST]
        ],
    }
    return TemplateResponse(request, "grading/roster.html", context, status=status)


def _in_one(told: list[str]) -> str:
    """Return what was done as one message; what waits for a second person is listed elsewhere."""
    said = [line.strip().rstrip(".") for line in told if not line.startswith("    ")]
    return f"Imported. {'; '.join(said)}."


def _revert_url(each: ChangeSet) -> str:
    asked = {"account": str(each.initiator_id), "how": "typed", "change_set": str(each.pk)}
    return f"{reverse('admin:revert_preview')}?{urlencode(asked)}"


def _preview(
    request: MemberRequest, upload_id: uuid.UUID, *, trouble: str = "", status: int = 200
) -> HttpResponseBase:
    kept = RosterUpload.objects.filter(school=request.member.school, pk=upload_id).first()
    if kept is None:
        raise Http404
    looked = uploaded.look(kept, by=request.member, origin=request.origin)
    context: dict[str, Any] = {
        "upload": kept,
        "looked": looked,
        "groups": list(_groups(looked)),
        "trouble": trouble,
    }
    if looked.bad:
        context["counts"] = uploaded.counts_of(looked.bad)
        context["places"] = uploaded.places_of(looked.bad)
        context["more"] = looked.bad.total - len(context["places"])
    return TemplateResponse(request, "grading/roster_preview.html", context, status=status)


def _groups(looked: Looked) -> Iterable[Group]:
    counts = Counter((line.entity_type, line.what) for line in looked.lines)
    for (entity_type, what), count in counts.items():
        one, many = NAMES[entity_type]
        words = {WITHDRAWS: "withdrawn", DELETED: "deleted", NEW: "new"}.get(what, "changed")
        some = [x for x in looked.lines if (x.entity_type, x.what) == (entity_type, what)]
        yield Group(f"{one if count == 1 else many} {words}", what, count, some[:SHOWN])
