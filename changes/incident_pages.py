"""The account of one revert: who decided what and why, what it excluded, what became of the data,
what is to be checked, who was told. A page to print, and a file."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts.disclosures import disclosed
from accounts.in_school import MemberRequest

from . import criteria_words, incident_file, revert
from .incident import Account, revert_or_404
from .models import Decision
from .persons import persons

CHANGES_ON_A_PAGE = 100
LISTED = 100
"""So many of each other list; the file has them all."""
PRINTED = 2_000
"""So many changes, and of each other list, are on the page that is printed."""


@require_safe
def result(request: MemberRequest, number: int) -> HttpResponseBase:
    """One revert, as a page; with ``print``, all of it on one page; with ``csv``, as a file."""
    decision = revert_or_404(number)
    account = Account(decision)
    if "csv" in request.GET:
        return _as_file(request, decision, account)
    whole = "print" in request.GET
    on_a_page, listed = (PRINTED, PRINTED) if whole else (CHANGES_ON_A_PAGE, LISTED)
    page = Paginator(account.changes(), on_a_page).get_page(request.GET.get("page"))
    counted = account.changes().filter(decision__number__lt=number).count()
    context: dict[str, Any] = {
        "decision": decision,
        "criteria": criteria_words.in_words(decision.criteria),
        "own": revert.concerns(decision, request.member),
        "page": page,
        "excluded": account.excluded(list(page)),
        "counted": counted,
        "waited": page.paginator.count - counted,
        "whole": whole,
        "left_behind": account.left_behind(),
        "lifts": account.lifts(),
    }
    for name, found in (("to_check", account.to_check()), ("returned", account.returned())):
        context[name] = account.others(list(found[:listed]))
        context[f"{name}_count"] = found.count()
    for name, told in (("consequences", account.consequences()), ("told", account.told())):
        context[name], context[f"{name}_count"] = told[:listed], len(told)
    return TemplateResponse(request, "changes/incident.html", context)


def _as_file(request: MemberRequest, decision: Decision, account: Account) -> StreamingHttpResponse:
    cells = list(account.changes().values_list("entity_type", "entity_id"))
    disclosed(
        request,
        persons(cells),
        what=f"account of revert {decision.number} as CSV",
        why="works in the office",
        facts={"decision": str(decision.pk), "changes": len(cells)},
    )
    facts = [
        ("School", str(request.member.school)),
        ("Decision", str(decision.number)),
        ("By", str(decision.decided_by)),
        ("From the address", decision.ip or ""),
        ("When", incident_file.at(decision.decided_at)),
        ("Why", decision.reason),
        *criteria_words.in_words(decision.criteria),
    ]
    name = f"{request.member.school.slug} revert {decision.number}.csv"
    return StreamingHttpResponse(
        incident_file.as_csv(account, facts),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": content_disposition_header(True, name) or "attachment"},
    )
