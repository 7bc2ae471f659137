"""My comments: what one keeps for the comments of many pupils."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.in_school import MemberRequest, in_school
from grading import comment_bank
from grading.comment_bank_form import BankCommentForm
from grading.models import BankComment


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def my_comments(request: MemberRequest) -> HttpResponse:
    member = request.member
    new = BankComment(school=member.school, owner=member.user)
    form = BankCommentForm(new, request.POST or None, by=member)
    if form.is_valid():
        form.save()
        messages.success(request, "Added to your comments.")
        return redirect("my-comments")
    context = {
        "form": form,
        "own": comment_bank.of_owner(member),
        "of_school": comment_bank.of_school(member),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "grading/my_comments.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def comment(request: MemberRequest, comment_id: uuid.UUID) -> HttpResponse:
    """Change one of one's own."""
    found = get_object_or_404(comment_bank.of_owner(request.member), pk=comment_id)
    form = BankCommentForm(found, request.POST or None, by=request.member)
    if form.is_valid():
        form.save()
        messages.success(request, "Your comment is saved.")
        return redirect("my-comments")
    status = 422 if form.errors else 200
    return TemplateResponse(request, "grading/my_comment.html", {"form": form}, status=status)


@require_POST
@in_school()
def remove(request: MemberRequest, comment_id: uuid.UUID) -> HttpResponse:
    """Remove one of one's own."""
    found = get_object_or_404(comment_bank.of_owner(request.member), pk=comment_id)
    found.delete()
    messages.success(request, f"Removed: “{found}”")
    return redirect("my-comments")
