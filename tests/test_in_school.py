"""The door into a school: who comes in, what is rolled back, what is written down."""

import uuid

import pytest
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import include, path
from django.utils import timezone

from accounts.in_school import SCHOOL_IN_SESSION, Refused, as_uuid, enter, in_school
from accounts.models import AuditLog, Membership, OutboxMessage, School, User
from accounts.origin import SESSION_LABEL

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def write(school, key="written"):
    now = timezone.now()
    OutboxMessage.objects.create(
        school=school, key=key, to="a@b.example", subject="", body="", created_at=now, due_at=now
    )


@in_school()
def page(request):
    return HttpResponse(f"{request.member.school} {timezone.get_current_timezone_name()}")


@in_school(role=Membership.Role.OFFICE)
def office(request):
    return HttpResponse("for the office")


@in_school()
def save(request):
    write(request.member.school)
    outcome = request.POST.get("then")
    if outcome == "raise":
        raise RuntimeError("a bug")
    if outcome == "refuse":
        raise Refused("The term is closed.")
    if outcome == "not found":
        as_uuid("no id")
    return HttpResponse(status=int(outcome or 200))


def rows():
    """A queryset that nobody has looked at yet."""
    return OutboxMessage.objects.order_by("key").values_list("key", flat=True)


@in_school()
def streamed(request):
    def lines():  # a generator expression would have asked at once
        for key in rows():
            yield f"{key}\n"

    return StreamingHttpResponse(lines())


@in_school()
def late(request):
    template = engines["django"].from_string("{% for key in rows %}{{ key }} {% endfor %}")
    return TemplateResponse(request, template, {"rows": rows()})


urlpatterns = [
    path("", include("accounts.urls")),
    path("classes/", page, name="classes"),
    path("classes/", page, name="start"),
    path("office-only/", office),
    path("save/", save),
    path("streamed/", streamed),
    path("late/", late),
]


@pytest.fixture
def school():
    return School.objects.create(name="Hill School", slug="hill", time_zone="Pacific/Auckland")


@pytest.fixture
def other_school():
    return School.objects.create(name="Vale School", slug="vale", time_zone="Europe/Dublin")


def join(school, role, email="tadhg@hill.example"):
    user = User.objects.filter(email=email).first() or User.objects.create_user(email)
    return Membership.objects.create(school=school, user=user, role=role)


@pytest.fixture
def teacher(school):
    return join(school, Membership.Role.TEACHER)


@pytest.fixture
def as_teacher(client, teacher):
    client.force_login(teacher.user)
    client.raise_request_exception = False
    return client


def refusals(school):
    with enter(school):
        return list(AuditLog.objects.filter(event=AuditLog.Event.REFUSAL).order_by("at"))


def written(school):
    with enter(school):
        return list(rows())


def test_an_anonymous_person_is_sent_to_sign_in_and_back(client):
    response = client.get("/classes/?term=2")
    assert response.status_code == 302
    assert response.url == "/sign-in/?next=/classes/%3Fterm%3D2"


def test_a_fragment_asked_for_after_signing_out_does_not_become_a_sign_in_page(client):
    response = client.post("/save/", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert "You are signed out" in response.text
    assert "<html" not in response.text


def test_a_member_works_in_their_school_and_in_its_time(as_teacher):
    assert as_teacher.get("/classes/").text == "Hill School Pacific/Auckland"


def test_no_proxy_keeps_a_page_of_a_school_and_what_was_typed_outlives_going_back(as_teacher):
    kept = as_teacher.get("/classes/")["Cache-Control"]
    assert {"private", "no-cache"} <= set(kept.split(", "))
    assert "no-store" not in kept


def test_a_person_without_a_school_is_told_whom_to_ask(client, school):
    client.force_login(User.objects.create_user("nobody@hill.example"))
    response = client.get("/classes/")
    assert response.status_code == 403
    assert "no school lists you" in response.text


def test_an_operator_sees_no_school_by_being_operator(client, school):
    client.force_login(User.objects.create_superuser("root@hill.example"))
    response = client.get("/classes/")
    assert response.status_code == 403
    assert "create_school" in response.text


def test_a_membership_that_ended_lets_nobody_in(as_teacher, teacher):
    Membership.objects.filter(pk=teacher.pk).update(is_active=False)
    assert as_teacher.get("/classes/").status_code == 403


def test_a_closed_account_is_signed_out_at_its_next_click(as_teacher, teacher):
    User.objects.filter(pk=teacher.user_id).update(is_active=False)
    assert as_teacher.get("/classes/").url == "/sign-in/?next=/classes/"


def test_a_teacher_is_refused_what_is_the_offices_and_it_is_written_down(as_teacher, teacher):
    response = as_teacher.get(
        "/office-only/", REMOTE_ADDR="203.0.113.9", headers={"User-Agent": "Teacher's browser"}
    )
    assert response.status_code == 403
    assert "This page is for the office" in response.text
    (row,) = refusals(teacher.school)
    assert (row.user, row.ip, row.user_agent) == (
        teacher.user,
        "203.0.113.9",
        "Teacher's browser",
    )
    session = as_teacher.session[SESSION_LABEL]
    assert row.metadata == {"path": "/office-only/", "method": "GET", "session": session}


def test_the_office_may_do_what_a_teacher_may(client, school):
    client.force_login(join(school, Membership.Role.OFFICE).user)
    assert client.get("/office-only/").status_code == 200
    assert client.get("/classes/").status_code == 200


def test_office_in_one_school_is_not_office_in_another(client, school, other_school):
    join(school, Membership.Role.TEACHER)
    client.force_login(join(other_school, Membership.Role.OFFICE).user)
    assert client.get("/office-only/").status_code == 403  # the first by name: as a teacher
    client.post("/school/", {"to": other_school.pk})
    assert client.get("/office-only/").status_code == 200


def test_a_page_of_another_school_is_refused_and_saves_nothing(as_teacher, teacher, other_school):
    response = as_teacher.post("/save/", {"school": other_school.pk})
    assert response.status_code == 409
    assert "another school" in response.text
    assert written(teacher.school) == []
    assert len(refusals(teacher.school)) == 1


def test_a_page_that_does_not_say_its_school_saves_nothing(as_teacher, teacher):
    assert as_teacher.post("/save/").status_code == 409
    assert written(teacher.school) == []


def test_the_school_may_be_said_by_a_field_or_by_htmx(as_teacher, teacher):
    assert as_teacher.post("/save/", {"school": teacher.school_id}).status_code == 200
    with enter(teacher.school):
        OutboxMessage.objects.all().delete()
    headers = {"X-School": str(teacher.school_id)}
    assert as_teacher.post("/save/", headers=headers).status_code == 200


def test_a_refusal_within_a_page_stands_beside_what_was_typed(as_teacher, teacher):
    response = as_teacher.post("/save/", headers={"HX-Request": "true"})
    assert response.status_code == 409
    assert response["HX-Retarget"] == "#notices"
    assert "<html" not in response.text


def test_a_view_that_raises_leaves_nothing_behind(as_teacher, teacher):
    response = as_teacher.post("/save/", {"school": teacher.school_id, "then": "raise"})
    assert response.status_code == 500
    assert written(teacher.school) == []


@pytest.mark.parametrize(("status", "kept"), [(200, 1), (302, 1), (422, 1), (500, 0), (503, 0)])
def test_a_response_of_500_and_above_leaves_nothing_behind(as_teacher, teacher, status, kept):
    response = as_teacher.post("/save/", {"school": teacher.school_id, "then": str(status)})
    assert response.status_code == status
    assert len(written(teacher.school)) == kept


def test_a_refusal_undoes_the_work_and_is_itself_kept(as_teacher, teacher):
    response = as_teacher.post("/save/", {"school": teacher.school_id, "then": "refuse"})
    assert response.status_code == 403
    assert "The term is closed." in response.text
    assert written(teacher.school) == []
    assert [row.detail for row in refusals(teacher.school)] == ["The term is closed."]


def test_asking_for_what_is_not_there_is_written_down(as_teacher, teacher):
    response = as_teacher.post("/save/", {"school": teacher.school_id, "then": "not found"})
    assert response.status_code == 404
    assert written(teacher.school) == []
    assert [row.detail for row in refusals(teacher.school)] == ["not found: /save/"]


@pytest.mark.parametrize("address", ["/streamed/", "/late/"])
def test_what_is_read_late_is_read_inside_the_school(as_teacher, teacher, other_school, address):
    with enter(teacher.school):
        write(teacher.school, "ours")
    with enter(other_school):
        write(other_school, "theirs")
    response = as_teacher.get(address)
    body = response.getvalue() if response.streaming else response.content
    assert body.split() == [b"ours"]


def current():
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('schoolmarks.school', true)")
        return cursor.fetchone()[0] or None


def test_outside_every_school_there_are_no_rows(school):
    with enter(school):
        write(school)
    assert list(rows()) == []


def test_entering_another_school_and_leaving_it_restores_the_outer_one(school, other_school):
    with enter(school):
        write(school, "ours")
        with enter(other_school):
            assert current() == str(other_school.pk)
            assert list(rows()) == []
        assert current() == str(school.pk)
        assert list(rows()) == ["ours"]
        assert timezone.get_current_timezone_name() == "Pacific/Auckland"
    assert current() is None


def test_leaving_by_an_exception_restores_the_outer_school_too(school, other_school):
    with enter(school):
        with pytest.raises(RuntimeError, match="a bug"), enter(other_school):
            raise RuntimeError("a bug")
        assert current() == str(school.pk)
    assert current() is None


def test_one_switches_only_to_a_school_of_ones_own(as_teacher, teacher, other_school):
    assert as_teacher.post("/school/", {"to": other_school.pk}).status_code == 404
    assert as_teacher.post("/school/", {"to": uuid.uuid4()}).status_code == 404
    assert as_teacher.post("/school/", {"to": "x"}).status_code == 404
    assert SCHOOL_IN_SESSION not in as_teacher.session
    join(other_school, Membership.Role.TEACHER)
    assert as_teacher.post("/school/", {"to": other_school.pk}).url == "/classes/"
    assert as_teacher.get("/classes/").text == "Vale School Europe/Dublin"


def test_switching_is_never_done_by_following_a_link(as_teacher, teacher):
    assert as_teacher.get("/school/").status_code == 405


def test_a_school_that_one_left_is_no_longer_the_one_at_work_in(as_teacher, other_school):
    there = join(other_school, Membership.Role.TEACHER)
    as_teacher.post("/school/", {"to": other_school.pk})
    Membership.objects.filter(pk=there.pk).update(is_active=False)
    assert as_teacher.get("/classes/").text.startswith("Hill School")
