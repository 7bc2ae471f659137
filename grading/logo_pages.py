"""The office's page of the school's logo."""

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.in_school import MemberRequest

from . import logo


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: MemberRequest) -> HttpResponseBase:
    """Show the logo, and take another one."""
    error = ""
    if request.method == "POST":
        file = request.FILES.get("file")
        if "remove" in request.POST:
            logo.remove(by=request.member, origin=request.origin)
            messages.success(request, "Report cards carry no logo any more.")
            return redirect("admin:logo")
        try:
            if file is None:
                raise logo.NoLogo("Choose a file first.")
            logo.put(file.read(logo.LARGEST + 1), by=request.member, origin=request.origin)
        except logo.NoLogo as refusal:
            error = str(refusal)
        else:
            messages.success(request, "Saved. The cards that are made from now on carry it.")
            return redirect("admin:logo")
    context = {"logo": logo.of(request.member.school), "error": error}
    status = 422 if error else 200
    return TemplateResponse(request, "grading/logo.html", context, status=status)


@require_safe
def picture(request: MemberRequest) -> HttpResponse:
    """The logo itself."""
    its = logo.of(request.member.school)
    if its is None:
        raise Http404
    media_type = {"png": "image/png", "jpg": "image/jpeg"}[its.kind]
    return HttpResponse(bytes(its.image), media_type)
