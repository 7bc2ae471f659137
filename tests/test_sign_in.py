"""Signing in: who can, who cannot, how often one may try, and what the audit log keeps."""

import io
import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, include, path, reverse

from accounts import audit
from accounts.in_school import enter, in_school
from accounts.models import AuditLog, Membership, School, User
from accounts.origin import SESSION_LABEL

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

PASSWORD = "rowan-and-heather-9"
Event = AuditLog.Event


@in_school()
def classes(request):
    return HttpResponse("my classes")


urlpatterns = [
    path("", include("accounts.urls")),
    path("classes/", classes, name="classes"),
    path("classes/", classes, name="start"),
]


@pytest.fixture(autouse=True)
def quick_hashes(settings):
    """The real one takes a fifth of a second each time, on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def schools():
    return [
        School.objects.create(name="Hill School", slug="hill"),
        School.objects.create(name="Vale School", slug="vale"),
    ]


@pytest.fixture
def tadhg(schools):
    user = User.objects.create_user("Tadhg@Hill.example", PASSWORD, name="Tadhg Byrne")
    for school in schools:
        Membership.objects.create(school=school, user=user)
    return user


def sign_in(client, email="tadhg@hill.example", password=PASSWORD, **more):
    return client.post("/sign-in/", {"login": email, "password": password}, **more)


def is_signed_in(client):
    return "_auth_user_id" in client.session


def logged(school, *events):
    with enter(school):
        return list(AuditLog.objects.filter(event__in=events).order_by("at"))


@pytest.fixture
def audited(monkeypatch):
    """What was written to the audit log, also what belongs to no school and is read by nobody."""
    seen = []

    def spy(event, **facts):
        seen.append({"event": event, **facts})
        record(event, **facts)

    record = audit.record
    monkeypatch.setattr(audit, "record", spy)
    return seen


# Who can. -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed", ["tadhg@hill.example", "TADHG@Hill.EXAMPLE", " tadhg@hill.example "]
)
def test_one_signs_in_by_e_mail_however_it_is_spelled(client, tadhg, typed):
    response = sign_in(client, typed)
    assert response.url == "/classes/"
    assert client.get("/classes/").text == "my classes"


def test_one_comes_back_to_the_page_that_one_asked_for(client, tadhg):
    response = client.post(
        "/sign-in/", {"login": tadhg.email, "password": PASSWORD, "next": "/classes/?term=2"}
    )
    assert response.url == "/classes/?term=2"


def test_one_is_not_sent_to_a_stranger_after_signing_in(client, tadhg):
    response = client.post(
        "/sign-in/", {"login": tadhg.email, "password": PASSWORD, "next": "https://evil.example/"}
    )
    assert response.url == "/classes/"


def test_the_start_page_leads_to_the_classes(client):
    assert client.get("/").url == "/classes/"


def test_a_wrong_password_says_so_and_keeps_the_e_mail(client, tadhg):
    response = sign_in(client, password="wrong")
    assert response.status_code == 200
    assert "do not belong together" in response.text
    assert 'value="tadhg@hill.example"' in response.text
    assert "wrong" not in response.text.replace("wrong passwords", "")
    assert not is_signed_in(client)


def test_a_known_and_an_unknown_e_mail_get_the_same_answer(client, tadhg):
    def answer(email):
        text = sign_in(client, email, "wrong").text.replace(email, "E")
        return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": "\w+"', "", text)

    assert answer("tadhg@hill.example") == answer("nobody@hill.example")


@pytest.mark.parametrize(
    "email",
    [
        "a" * 300 + "@hill.example",
        "a" * 100_000,
        "tadhg\x00@hill.example",
        "\x00",
        "\ud83d\ude00@hill.example".encode("utf-16", "surrogatepass").decode("utf-16"),
        "' or 1=1 --",
        "",
    ],
)
@pytest.mark.parametrize("address", ["/sign-in/", "/password/forgotten/"])
def test_an_impossible_e_mail_is_an_error_beside_its_field(client, tadhg, address, email):
    response = client.post(address, {"login": email, "email": email, "password": "x"})
    assert response.status_code == 200
    assert 'aria-invalid="true"' in response.text
    assert "errorlist" in response.text


@pytest.mark.parametrize("password", ["\x00", "a" * 5000, "p\x00w"])
def test_an_impossible_password_is_a_wrong_password(client, tadhg, password):
    assert sign_in(client, password=password).status_code == 200
    assert not is_signed_in(client)


def test_a_closed_account_cannot_sign_in(client, tadhg):
    User.objects.filter(pk=tadhg.pk).update(is_active=False)
    response = sign_in(client)
    assert response.url == "/sign-in/closed/"
    assert "This account is closed" in client.get(response.url).text
    assert not is_signed_in(client)


def test_an_imported_teacher_without_a_password_cannot_sign_in_with_an_empty_one(client, schools):
    user = User.objects.create_user("new@hill.example")
    assert not user.has_usable_password()
    for password in ("", "!", user.password):
        sign_in(client, user.email, password)
        assert not is_signed_in(client)


# Nobody signs up. ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "/signup/",
        "/sign-up/",
        "/accounts/signup/",
        "/accounts/login/",
        "/email/",
        "/confirm-email/",
        "/accounts/email/",
    ],
)
def test_signing_up_and_adding_addresses_do_not_exist(client, tadhg, address):
    assert client.get(address).status_code == 404
    assert client.post(address, {"email": "x@y.example"}).status_code == 404


@pytest.mark.parametrize("name", ["account_signup", "account_email"])
def test_no_name_leads_to_signing_up(name):
    with pytest.raises(NoReverseMatch):
        reverse(name)


# Passwords. ---------------------------------------------------------------------------------------


def link_in(message):
    return re.search(r"http://testserver(/password/new/\S+)", message.body).group(1)


def set_password(client, link, password):
    form = client.get(link, follow=True)
    return client.post(
        form.redirect_chain[-1][0], {"password1": password, "password2": password}, follow=True
    )


def test_an_imported_teacher_gets_in_by_setting_a_password_by_mail(client, schools):
    user = User.objects.create_user("new@hill.example", name="Éabha Walsh")
    Membership.objects.create(school=schools[0], user=user)
    response = client.post("/password/forgotten/", {"email": "New@Hill.example"}, follow=True)
    assert "Look into your mail" in response.text
    (message,) = mail.outbox
    assert message.to == ["new@hill.example"]
    assert "Éabha Walsh" in message.body
    response = set_password(client, link_in(message), PASSWORD)
    assert "Your password is set" in response.text
    assert sign_in(client, user.email).url == "/classes/"


def test_a_link_works_once(client, tadhg):
    client.post("/password/forgotten/", {"email": tadhg.email})
    link = link_in(mail.outbox[0])
    set_password(client, link, "another-fine-password-1")
    assert "does not work any more" in client.get(link, follow=True).text


@pytest.mark.parametrize("link", ["/password/new/abc-def/", "/password/new/{id}-xyz/"])
def test_a_made_up_link_does_not_work(client, tadhg, link):
    response = client.get(link.format(id=tadhg.pk.hex), follow=True)
    assert response.status_code == 200
    assert "does not work any more" in response.text


def test_an_unknown_address_is_told_by_mail_and_not_on_the_page(client, tadhg):
    known = client.post("/password/forgotten/", {"email": tadhg.email})
    unknown = client.post("/password/forgotten/", {"email": "nobody@hill.example"})
    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)
    assert mail.outbox[1].to == ["nobody@hill.example"]
    assert "/password/new/" not in mail.outbox[1].body


def test_a_closed_account_gets_no_link(client, tadhg):
    User.objects.filter(pk=tadhg.pk).update(is_active=False)
    client.post("/password/forgotten/", {"email": tadhg.email})
    assert all("/password/new/" not in message.body for message in mail.outbox)


def test_mail_that_cannot_be_sent_is_said_plainly(client, tadhg, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there
    response = client.post("/password/forgotten/", {"email": tadhg.email})
    assert response.status_code == 503
    assert "could not be sent" in response.text


def test_one_changes_ones_password_and_stays_signed_in(client, tadhg):
    sign_in(client)
    new = "another-fine-password-1"
    form = {"oldpassword": "wrong", "password1": new, "password2": new}
    assert "not the password that you sign in with" in client.post("/password/", form).text
    assert client.post("/password/", form | {"oldpassword": PASSWORD}).status_code == 302
    assert is_signed_in(client)
    assert client.get("/classes/").status_code == 200
    client.logout()
    assert sign_in(client, password=new).status_code == 302


def test_a_weak_password_is_refused_with_the_reason(client, tadhg):
    sign_in(client)
    form = {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}
    assert "at least 10 characters" in client.post("/password/", form).text


def test_a_former_address_signs_nobody_in(client, tadhg):
    client.post("/password/forgotten/", {"email": tadhg.email})
    assert EmailAddress.objects.filter(email=tadhg.email).exists()  # allauth keeps a copy
    tadhg.email = "tadhg.byrne@hill.example"
    tadhg.save()
    sign_in(client, "tadhg@hill.example")
    assert not is_signed_in(client)
    mail.outbox.clear()
    client.post("/password/forgotten/", {"email": "tadhg@hill.example"})
    assert all("/password/new/" not in message.body for message in mail.outbox)
    assert sign_in(client, tadhg.email).status_code == 302


# How often. ---------------------------------------------------------------------------------------


def test_after_five_wrong_passwords_the_right_one_is_not_tried(client, tadhg):
    answers = [sign_in(client, password="wrong").text for _ in range(7)]
    assert ["do not belong together" in text for text in answers] == [True] * 5 + [False] * 2
    assert "too many wrong passwords" in answers[-1]
    sign_in(client)
    assert not is_signed_in(client)


def test_the_limit_holds_from_everywhere_and_whatever_the_header_says(client, tadhg):
    for n in range(5):
        sign_in(client, password="wrong", REMOTE_ADDR=f"198.51.100.{n}")
    sign_in(
        client, REMOTE_ADDR="198.51.100.99", headers={"X-Forwarded-For": "203.0.113.1, 127.0.0.1"}
    )
    assert not is_signed_in(client)


def test_trying_many_accounts_from_one_address_is_slowed_by_a_forged_header_no_less(client, tadhg):
    statuses = [
        sign_in(client, f"p{n}@hill.example", "x", headers={"X-Forwarded-For": f"203.0.113.{n}"})
        for n in range(32)
    ]
    assert statuses[-1].status_code == 429
    assert "Too often" in statuses[-1].text


def test_the_limits_are_kept_in_the_database_that_all_processes_share(settings):
    assert settings.CACHES["default"]["BACKEND"].endswith("DatabaseCache")


# What is written down. ----------------------------------------------------------------------------


def test_a_sign_in_is_written_once_in_each_of_the_persons_schools(client, tadhg, schools):
    sign_in(client, REMOTE_ADDR="203.0.113.9", headers={"User-Agent": "Firefox"})
    for school in schools:
        (row,) = logged(school, Event.SIGN_IN)
        assert (row.user, row.ip, row.user_agent) == (tadhg, "203.0.113.9", "Firefox")


def test_a_sign_in_and_the_sign_out_after_it_name_the_same_session(client, tadhg, schools):
    sign_in(client)
    session = client.session[SESSION_LABEL]
    client.post("/sign-out/")
    sign_in(client)
    rows = logged(schools[0], Event.SIGN_IN, Event.SIGN_OUT)
    labels = [session, session, client.session[SESSION_LABEL]]
    assert [row.metadata["session"] for row in rows] == labels
    assert len(set(labels)) == 2


def test_a_school_that_one_left_is_not_told(client, tadhg, schools):
    Membership.objects.filter(school=schools[1]).update(is_active=False)
    sign_in(client)
    assert len(logged(schools[0], Event.SIGN_IN)) == 1
    assert logged(schools[1], Event.SIGN_IN) == []


def test_a_failed_sign_in_names_who_was_tried_and_never_the_password(client, tadhg, schools):
    sign_in(client, password="hunter2-is-secret", REMOTE_ADDR="203.0.113.9")
    for school in schools:
        (row,) = logged(school, Event.SIGN_IN_FAILED)
        assert (row.user, row.ip, row.detail) == (tadhg, "203.0.113.9", "tadhg@hill.example")
        assert "hunter2" not in f"{row.detail}{row.metadata}{row.user_agent}"
    assert logged(schools[0], Event.SIGN_IN) == []


def test_an_unknown_e_mail_belongs_to_no_school(client, tadhg, schools, audited):
    sign_in(client, "nobody@hill.example", "x")
    (row,) = audited
    assert (row["event"], row["school"], row["user"]) == (Event.SIGN_IN_FAILED, None, None)
    assert row["detail"] == "nobody@hill.example"
    assert logged(schools[0], Event.SIGN_IN_FAILED) == []


def test_a_person_without_a_school_signs_in_and_out_in_none(client, schools, audited):
    User.objects.create_user("solo@hill.example", PASSWORD)
    sign_in(client, "solo@hill.example")
    client.post("/sign-out/")
    assert [row["event"] for row in audited] == [Event.SIGN_IN, Event.SIGN_OUT]
    assert {row["school"] for row in audited} == {None}


def test_a_sign_out_is_written_down(client, tadhg, schools):
    sign_in(client)
    assert client.get("/sign-out/").status_code == 200  # a link signs nobody out
    assert is_signed_in(client)
    client.post("/sign-out/", REMOTE_ADDR="203.0.113.9")
    assert not is_signed_in(client)
    for school in schools:
        (row,) = logged(school, Event.SIGN_OUT)
        assert (row.user, row.ip) == (tadhg, "203.0.113.9")


def test_each_sign_in_has_a_label_of_its_own(client, tadhg):
    labels = []
    for _ in range(2):
        sign_in(client)
        client.get("/classes/")
        labels.append(client.session[SESSION_LABEL])
        client.post("/sign-out/")
    assert len(set(labels)) == 2


def test_the_label_is_not_the_session_cookie(client, tadhg):
    sign_in(client)
    assert client.session[SESSION_LABEL] != client.session.session_key


# Is it alive, and who makes a school. -------------------------------------------------------------


def test_healthz_answers_when_the_database_does(client):
    response = client.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok\n")


def test_healthz_says_when_the_database_does_not(client, monkeypatch):
    from django.db import OperationalError, connection

    def fail():
        raise OperationalError("no route")

    monkeypatch.setattr(connection, "cursor", fail)
    response = client.get("/healthz")
    assert response.status_code == 503
    assert "route" not in response.text


def create_school(*more, name="St Brigid's", **options):
    out = io.StringIO()
    arguments = {
        "slug": "st-brigid",
        "time_zone": "Europe/Dublin",
        "office": "Office@Brigid.example",
    } | options
    call_command("create_school", name, *more, stdout=out, **arguments)
    return out.getvalue()


def test_an_operator_makes_a_school_and_its_office(client):
    out = create_school(office_name="Mairéad O'Connor")
    school = School.objects.get(slug="st-brigid")
    member = Membership.objects.get(school=school)
    assert (member.role, member.user.email) == ("office", "office@brigid.example")
    assert member.user.name == "Mairéad O'Connor"
    assert not member.user.has_usable_password()
    assert "signing in for the first time" in out
    (row,) = logged(school, Event.PEOPLE)
    assert row.user == member.user
    client.post("/password/forgotten/", {"email": "office@brigid.example"})
    set_password(client, link_in(mail.outbox[0]), PASSWORD)
    assert sign_in(client, "office@brigid.example").url == "/classes/"


def test_a_person_may_be_the_office_of_two_schools():
    create_school()
    out = create_school(name="St Colm's", slug="st-colm")
    assert "signing in for the first time" not in out
    assert User.objects.count() == 1
    assert Membership.objects.count() == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"time_zone": "Europe/Dublyn"}, "--time-zone: 'Europe/Dublyn' is unknown"),
        ({"slug": "St Brigid"}, "--slug: "),
        ({"office": "nobody"}, "--office: 'nobody' is not an e-mail address"),
        ({"name": ""}, "name: "),
    ],
)
def test_a_school_is_made_whole_or_not_at_all(options, reason):
    with pytest.raises(CommandError, match=re.escape(reason)):
        create_school(**options)
    assert not School.objects.exists()
    assert not User.objects.exists()


def test_a_taken_slug_is_said():
    create_school()
    with pytest.raises(CommandError, match=r"--slug: .*already exists"):
        create_school(name="Another")


# Sessions. ----------------------------------------------------------------------------------------


def test_a_session_that_somebody_else_began_is_not_the_one_after_signing_in(client, tadhg):
    planted = client.session
    planted["planted"] = "yes"
    planted.save()
    client.cookies["sessionid"] = planted.session_key
    sign_in(client)
    assert client.session.session_key != planted.session_key
    assert not client.session.exists(planted.session_key)


@pytest.mark.parametrize("how", ["changed", "reset"])
def test_a_new_password_ends_every_other_session(client, tadhg, how):
    here = Client()
    for browser in (client, here):
        sign_in(browser)
    new = {"password1": "another-Horse-77x", "password2": "another-Horse-77x"}
    if how == "changed":
        here.post("/password/", {"oldpassword": PASSWORD, **new})
    else:
        Client().post("/password/forgotten/", {"email": tadhg.email})
        set_password(here, link_in(mail.outbox[-1]), new["password1"])
    assert client.get("/classes/").url.startswith("/sign-in/")


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
def test_the_link_in_the_mail_leads_to_us_whatever_the_header_says(client, tadhg, header):
    sent = client.post(
        "/password/forgotten/", {"email": tadhg.email}, headers={header: "evil.example"}
    )
    assert sent.status_code == (400 if header == "Host" else 302)
    assert [each for each in mail.outbox if "evil" in each.body] == []
