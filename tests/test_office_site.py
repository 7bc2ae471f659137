"""The office's site: one door, one school, nothing inline, and looking costs a known number of
queries."""

import datetime as dt
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver, reverse

from accounts import outbox
from accounts.in_school import enter
from accounts.models import AuditLog, Membership, User
from changes.models import ChangeSet, Decision
from changes.propose import Draft, creation
from grading.extensions import extend, extend_for_instructor
from grading.models import BankComment, Enrollment, Section
from students.models import Student
from tests.cast import make_person, make_scale
from tests.pages import OUTSIDE_EVERY_SCHOOL, words_of

LISTS = [
    "students_student",
    "students_programme",
    "grading_term",
    "grading_course",
    "grading_room",
    "grading_section",
    "grading_enrollment",
    "grading_remark",
    "grading_gradecorrection",
    "grading_coursechangehistory",
    "grading_extension",
    "grading_bankcomment",
    "grading_gradingscale",
    "grading_handin",
    "changes_changeset",
    "changes_change",
    "changes_decision",
    "accounts_membership",
    "accounts_auditlog",
    "accounts_outboxmessage",
]
WRITTEN_HERE = {"accounts_membership", "grading_bankcomment", "students_programme"}
"""What the office adds and changes on these pages; all else goes through the ledger."""

ADDED_HERE = {"students_student"} | {f"grading_{n}" for n in ("term", "course", "room", "section")}
"""What the office adds from these lists, through the ledger."""


@pytest.fixture
def office(client, people):
    client.force_login(people.a.user)
    return client


def every_view(resolver=None, prefix="", namespaces=()):
    """Yield (path, full name, callback) of every address of the site."""
    for entry in (resolver or get_resolver()).url_patterns:
        at = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = (*namespaces, *filter(None, [entry.namespace]))
            yield from every_view(entry, at, inner)
        else:
            yield at, ":".join((*namespaces, entry.name or "")), entry.callback


def filled_in(at):
    """Return a path for a pattern: no record has the ids in it."""
    at = at.replace("^", "").replace("$", "").replace("(?P<url>.*)", "nowhere/")
    at = re.sub(r"<int:\w+>", "999999", at)
    return "/" + re.sub(r"<\w+:\w+>", "018f0000-0000-7000-8000-000000000000", at)


OFFICE_PATHS = sorted({filled_in(at) for at, name, _ in every_view() if name.startswith("admin:")})


def test_every_view_of_the_site_belongs_to_a_school_or_is_on_a_short_list():
    outside = {
        name
        for _, name, callback in every_view()
        if not name.startswith("admin:") and not getattr(callback, "belongs_to_school", False)
    }
    assert outside <= OUTSIDE_EVERY_SCHOOL


@pytest.mark.parametrize("path", OFFICE_PATHS)
def test_no_page_of_the_office_opens_without_signing_in(client, db, path):
    response = client.get(path)
    assert response.status_code == 302
    assert response.url.startswith("/sign-in/?next=/office/")
    response = client.post(path)
    assert response.status_code == 401
    assert 'action="/sign-in/"' in response.content.decode()


@pytest.mark.parametrize("path", OFFICE_PATHS)
def test_no_page_of_the_office_opens_for_a_teacher_and_the_refusal_is_written_down(
    client, people, path
):
    client.force_login(people.t1.user)
    for method in (client.get, client.post):
        assert method(path).status_code == 403
    with enter(people.school):
        refusals = AuditLog.objects.filter(event="refusal", user=people.t1.user)
        assert [row.metadata["path"] for row in refusals] == [path, path]


def test_an_office_person_of_another_school_sees_their_own_school_only(client, people):
    client.force_login(people.outsider.user)
    assert b"Abbott" not in client.get(reverse("admin:students_student_changelist")).content
    with enter(people.school):
        student, decision = Student.objects.first(), Decision.objects.first()
        change_set = ChangeSet.objects.first()
        member = Membership.objects.get(user=people.t1.user)
    for name, pk in (
        ("admin:students_student_change", student.pk),
        ("admin:changes_decision_change", decision.pk),
        ("admin:changes_changeset_change", change_set.pk),
        ("admin:accounts_membership_change", member.pk),
        ("admin:change_set", change_set.pk),
    ):
        assert client.get(reverse(name, args=[pk])).status_code == 404, name


def test_django_s_own_sign_in_is_no_second_way_in(client, people):
    client.force_login(people.a.user)
    assert client.get("/office/login/").url == "/office/"
    client.logout()
    response = client.post("/office/login/", {"username": "a.admin@hill.example", "password": "x"})
    assert response.status_code == 401
    assert client.get("/office/password_change/").url.startswith("/sign-in/")


def test_only_our_own_pages_are_registered():
    from django.contrib import admin

    from accounts.office import OfficeAdmin

    registered = admin.site._registry
    assert all(isinstance(page, OfficeAdmin) for page in registered.values())
    assert User not in registered
    assert {f"{m._meta.app_label}_{m._meta.model_name}" for m in registered} == {
        *LISTS,
        "accounts_school",
    }


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_searched_and_opened_and_nothing_is_written_beside_the_ledger(
    office, people, name
):
    url = reverse(f"admin:{name}_changelist")
    page = office.get(url)
    assert page.status_code == 200
    assert office.get(url, {"q": "a"}).status_code == 200
    assert office.get(url, {"q": "a\x00b"}).status_code == 200
    links = re.findall(rf'href="({url}[0-9a-f-]{{36}}/change/)', page.content.decode())
    for link in links[:1]:
        assert office.get(link).status_code == 200
        if name not in WRITTEN_HERE:
            assert office.post(link, {"school": people.school.pk}).status_code == 403
        assert office.get(link.replace("/change/", "/delete/")).status_code == 404
        assert office.get(link.replace("/change/", "/history/")).status_code == 404
    added = name in WRITTEN_HERE | ADDED_HERE
    assert office.get(f"{url}add/").status_code == (200 if added else 403)


def test_every_filter_of_every_list_works(office, people):
    for name in LISTS:
        url = reverse(f"admin:{name}_changelist")
        for query in set(re.findall(r'href="(\?[^"]+)"', office.get(url).content.decode())):
            assert office.get(url + query.replace("&amp;", "&")).status_code == 200, (name, query)


def queries_of(client, url):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize(
    "asked",
    [
        "id__regex=(a*)*b",
        "school__name__startswith=H",
        "user__password__startswith=p",
        "author__password__startswith=p",
        "salt=x",
        "at__year=10000",
        "nonsense=1",
    ],
)
def test_a_list_is_filtered_by_its_own_filters_alone(office, people, asked):
    for name in LISTS:
        response = office.get(reverse(f"admin:{name}_changelist") + f"?{asked}")
        assert response.status_code in {302, 400}, name
        if response.status_code == 302:  # Django, where there is no such field
            assert response.url.endswith("?e=1")


@pytest.mark.parametrize("asked", ["status__exact=%00", "entity_type__exact=a%00", "q=%00", "p=x"])
def test_a_broken_value_of_a_filter_breaks_nothing(office, people, asked):
    response = office.get(reverse("admin:changes_change_changelist") + f"?{asked}")
    assert response.status_code == (400 if "exact" in asked else 200)


def test_longer_lists_cost_no_more_queries(office, people):
    urls = [reverse(f"admin:{name}_changelist") for name in LISTS]
    with enter(people.school):
        grow(people, "first")
    few = {url: queries_of(office, url) for url in urls}
    with enter(people.school):
        for word in ("second", "third", "fourth"):
            grow(people, word)
    assert {url: queries_of(office, url) for url in urls} == few


def grow(people, word):
    """One more row in every list."""
    drafts = [
        *(term := creation("term", {"name": word})),
        *(course := creation("course", {"code": word, "title": word})),
        *(room := creation("room", {"name": word})),
        *(student := creation("student", {"family_name": word, "number": word})),
        *(
            section := creation(
                "section",
                {
                    "course": str(course[0].entity_id),
                    "term": str(term[0].entity_id),
                    "room": str(room[0].entity_id),
                    "code": word,
                    "scale": str(people.scale.pk),
                    "instructor": str(people.t2.user.pk),
                },
            )
        ),
        *creation(
            "enrollment",
            {"student": str(student[0].entity_id), "section": str(section[0].entity_id)},
        ),
        *creation(
            "remark",
            {"student": str(student[0].entity_id), "term": str(term[0].entity_id), "text": word},
        ),
    ]
    people.a.enters(drafts, whole=True)
    mark = Enrollment.objects.get(student=student[0].entity_id)
    people.stand(mark.pk, "50", by=people.t2)
    people.stand(mark.pk, "60", by=people.t2)
    people.a.enters(
        [
            Draft(
                entity_type="section",
                entity_id=section[0].entity_id,
                field=field,
                typed=typed,
                touched=True,
            )
            for field, typed in (("room", str(people.room)), ("capacity", "12"))
        ]
    )
    until, by = dt.date(2026, 12, 24), people.a
    row = Section.objects.get(pk=section[0].entity_id)
    asked = {"until": until, "reason": word, "by": by.member, "origin": by.origin()}
    extend(row, **asked)
    extend_for_instructor(people.t2.user, row.term, **asked)
    make_scale(people.school, name=word)
    BankComment.objects.create(school=people.school, text=word)
    message = outbox.Message(key=word, to="ada@home.example", subject=word, body=word)
    outbox.post([message], school=people.school, at=by.clock.tick())
    make_person(
        f"{word}@hill.example", "teacher", school=people.school, clock=people.clock, ip="10.0.2.2"
    )


def test_nothing_is_written_to_django_s_own_log(office, people):
    member = Membership.objects.get(user=people.t1.user, school=people.school)
    url = reverse("admin:accounts_membership_change", args=[member.pk])
    sent = {"school": people.school.pk, "role": "office", "is_active": "on"}
    assert office.post(url, sent).status_code == 302
    assert LogEntry.objects.count() == 0
    assert b"Recent actions" not in office.get("/office/").content


def test_pages_hold_nothing_that_the_content_policy_refuses(office, people):
    with enter(people.school):
        grow(people, "first")
    paths = ["/office/", "/office/review/", "/office/revert/", reverse("admin:board")]
    paths += [reverse("admin:cards"), reverse("admin:logo")]
    paths += [reverse(f"admin:{name}_changelist") for name in (*LISTS, "accounts_school")]
    for path in paths:
        response = office.get(path)
        html = response.content.decode()
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html), path
        for tag in re.findall(r"<script[^>]*>", html):
            assert 'src="/static/' in tag, path
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html), path


def test_a_form_of_another_school_is_refused(office, people):
    sent = {"school": people.other_school.pk, "name": "x"}
    assert office.post("/office/accounts/school/", sent).status_code == 409


# People. ------------------------------------------------------------------------------------------


def people_events(school):
    with enter(school):
        return list(AuditLog.objects.filter(event="people").order_by("at", "id"))


def add(office, people, **sent):
    sent = {"school": people.school.pk, "name": "N. New", "role": "teacher", **sent}
    return office.post("/office/accounts/membership/add/", sent)


def test_a_person_is_added_by_e_mail_without_a_password(office, people):
    assert add(office, people, email="N.New@Hill.example").status_code == 302
    user = User.objects.get(email="n.new@hill.example")
    assert not user.has_usable_password()
    assert Membership.objects.get(user=user).school == people.school
    (row,) = people_events(people.school)
    assert (row.user, row.detail) == (people.a.user, "n.new@hill.example: added as teacher")


def test_a_name_is_one_line_for_the_mail_begins_with_it(office, people):
    typed = "Ada,\r\n\r\nyour account is blocked: http://evil.example"
    sent = {"school": people.school.pk, "email": "x@hill.example", "name": typed, "role": "teacher"}
    assert office.post(reverse("admin:accounts_membership_add"), sent).status_code == 302
    assert "\n" not in User.objects.get(email="x@hill.example").name


def test_somebody_of_another_school_is_added_with_the_account_they_have(office, people):
    assert add(office, people, email="o.outsider@vale.example", name="X").status_code == 302
    assert people.outsider.user.memberships.count() == 2
    people.outsider.user.refresh_from_db()
    assert people.outsider.user.name == "O Outsider"


@pytest.mark.parametrize(
    ("email", "says"),
    [
        ("t1.teacher@hill.example", "already"),
        ("nobody", "valid email"),
        ("a\x00@b.example", "Null"),
    ],
)
def test_who_cannot_be_added_is_said_beside_the_e_mail(office, people, email, says):
    response = add(office, people, email=email)
    assert response.status_code == 422
    assert says in response.context["form"].errors["email"].as_text()


def test_adding_twice_makes_one_member(office, people):
    add(office, people, email="n.new@hill.example")
    assert add(office, people, email="n.new@hill.example").status_code == 422
    assert Membership.objects.filter(user__email="n.new@hill.example").count() == 1


def set_member(office, people, person, **sent):
    url = reverse("admin:accounts_membership_change", args=[person.member.pk])
    return office.post(url, {"school": people.school.pk, **sent})


def test_who_is_deactivated_is_refused_from_then_on(office, people, client):
    assert set_member(office, people, people.t1, role="teacher").status_code == 302
    people.t1.member.refresh_from_db()
    assert not people.t1.member.is_active
    assert people_events(people.school)[-1].detail.endswith("now teacher, deactivated")
    client.force_login(people.t1.user)
    assert client.get("/office/").status_code == 403


@pytest.mark.parametrize("sent", [{"role": "office"}, {"role": "teacher", "is_active": "on"}])
def test_the_last_active_person_of_the_office_stays(office, people, sent):
    assert set_member(office, people, people.b, role="office").status_code == 302
    response = set_member(office, people, people.a, **sent)
    assert response.status_code == 422
    assert b"Nobody else is active in the office" in response.content
    people.a.member.refresh_from_db()
    assert (people.a.member.role, people.a.member.is_active) == ("office", True)


# Policy. ------------------------------------------------------------------------------------------


def policy(**changed):
    return {
        "name": "Hill School",
        "time_zone": "Europe/London",
        "first_grades": "wait",
        "comment_length": "2000",
        "gpa_decimals": "1",
        "cards_remarks": "optional",
        **changed,
    }


def test_the_policy_is_saved_with_what_changed_in_the_audit_log(office, people):
    sent = policy(
        school=people.school.pk, first_grades="stand", immaterial_fields=["room", "capacity"]
    )
    assert office.post("/office/accounts/school/", sent).status_code == 302
    people.school.refresh_from_db()
    assert people.school.first_grades == "stand"
    assert people.school.immaterial_fields == ["room", "capacity"]
    (row,) = people_events(people.school)
    assert row.metadata["changed"]["first_grades"] == {"from": "wait", "to": "stand"}
    said = words_of(office.get(f"/office/accounts/auditlog/{row.pk}/change/").content.decode())
    assert "policy changed: First marks" in said
    assert "first grades: wait → stand" in said
    assert "immaterial fields: nothing → room, capacity" in said
    people.other_school.refresh_from_db()
    assert people.other_school.first_grades == "wait"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_zone", "Europe/Atlantis"),
        ("time_zone", "../../etc/passwd"),
        ("first_grades", "always"),
        ("immaterial_fields", "grade"),
        ("comment_length", "0"),
        ("comment_length", "999999"),
        ("gpa_decimals", "5"),
        ("cards_remarks", "sometimes"),
        ("name", ""),
    ],
)
def test_a_policy_that_cannot_be_is_refused_beside_its_field(office, people, field, value):
    response = office.post(
        "/office/accounts/school/", policy(school=people.school.pk, **{field: value})
    )
    assert response.status_code == 422
    assert field in response.context["form"].errors
    people.school.refresh_from_db()
    assert people.school.time_zone == "Europe/London"
