"""The office's lists and records: words that people use, and columns that a phone shows too."""

import re

import pytest
from django.contrib import admin
from django.db.models import Value
from django.urls import reverse

from accounts import freezing
from accounts.in_school import enter
from accounts.models import AuditLog, School
from accounts.office import OfficeAdmin
from accounts.plain import Plain, plain
from changes.models import Change, Decision
from changes.propose import creation
from grading.models import CourseChangeHistory
from students.models import Student
from tests.cast import only
from tests.pages import Browser, form_of


@pytest.fixture
def office(client, people):
    client.force_login(people.a.user)
    return client


def test_the_start_page_leads_to_every_list_and_sets_the_raw_rows_apart(office, people):
    groups = office.get(reverse("admin:index")).context["groups"]
    at = {name: url for _, _, pages in groups for name, url in pages}
    assert len(at) == sum(len(pages) for *_, pages in groups)
    lists = [page for page in admin.site._registry.values() if isinstance(page, OfficeAdmin)]
    assert sorted(at) == sorted(page.heading for page in lists)
    (kept,) = [dict(pages) for name, _, pages in groups if name == "The record, as kept"]
    assert set(kept) == {
        "Audit log",
        "Change sets",
        "Changes",
        "Decisions",
        "Grade corrections, as kept",
        "History of sections",
    }


def test_each_cell_of_a_list_names_its_column_and_a_card_leaves_out_what_is_empty(office, people):
    with enter(people.school):
        people.a.changes_cell("room", people.room, name="Ⅳ & 5")
        people.b.approves(*people.open_of(people.room))
    page = office.get(reverse("admin:grading_section_changelist")).content.decode()
    first = page.partition("<tbody>")[2].partition("</tr>")[0]
    labels = re.findall(r'<td data-label="([^"]+)"', first)
    assert labels == ["Course", "Term", "Instructor", "Room", "Capacity", "Delivery mode"]
    assert ">Ⅳ &amp; 5<" in page
    people_list = office.get(reverse("admin:accounts_membership_changelist")).content.decode()
    assert re.search(r'<td data-label="Frozen at" class="blank[^>]*>-</td>', people_list)


def test_a_new_pupil_with_a_place_and_a_mark_is_one_change_wherever_changes_are_counted(
    office, people
):
    with enter(people.school):
        pupil = people.v.creates("student", number="412", given_names="Kim", family_name="Park")
        place = {"student": str(pupil), "section": str(people.section), "grade": "70"}
        people.v.creates("enrollment", **place)
        waiting = Change.objects.open()
        assert waiting.count() > 3
        ids = " ".join(str(each.pk) for each in waiting)
    start = office.get(reverse("admin:index"))
    assert start.context["waiting"] == 2
    heaps = office.get(reverse("admin:review")).context["page"].object_list
    assert sum(heap.ordinary + heap.flagged for heap in heaps) == 2
    board = office.get(reverse("admin:board")).content.decode()
    assert re.search(r"</span>1 change<span", board)  # the place: a pupil is of no class
    asked = {"school": str(people.school.pk), "action": "approve", "change": ids}
    confirmation = office.post(reverse("admin:confirm"), asked)
    assert "Will be approved: 2 changes" in confirmation.content.decode()
    seen = {"seen": confirmation.context["shown"].seen, "key": "1"}
    done = office.post(reverse("admin:decide"), asked | seen, follow=True)
    assert [str(message)[:22] for message in done.context["messages"]] == ["Approved: 2 changes, d"]


def test_what_is_held_says_so_on_the_timeline_and_before_it_comes_back(office, people):
    with enter(people.school):
        people.v.types(people.marks[0], "70")
        reverted = people.b.reverts(people.v)
        waiting = only(people.v.types(people.marks[1], "75"))
        freezing.freeze(people.v.member, by=people.a.member, origin=people.a.origin(), reason="")
    timeline = reverse("admin:timeline", args=["enrollment", waiting.entity_id])
    assert "held: the account is frozen" in office.get(timeline).content.decode()
    assert len(office.get(timeline, {"state": "held"}).context["entries"]) == 1
    record = reverse("admin:grading_enrollment_change", args=[waiting.entity_id])
    assert "held: the account is frozen" in office.get(record).content.decode()
    lift = office.get(reverse("admin:lift_preview", args=[reverted.decision.number]))
    assert "V Sweet comes back to the queue is held there" in lift.content.decode()


def test_records_of_the_ledger_are_read_in_words_and_not_by_the_names_of_columns(office, people):
    with enter(people.school):
        room = people.v.creates("room", name="ENG 105")
        people.v.changes_cell("section", people.section, room=str(room))
        people.stand(people.marks[0], "60", by=people.v)
        people.b.approves(*Change.objects.open().order_by("id"))
        people.b.reverts(people.v)
        change = Change.objects.filter(value=str(room)).get()
        history = CourseChangeHistory.objects.filter(field_name="room_id").first()
        rows = {
            "changes_change": change.pk,
            "changes_changeset": change.change_set_id,
            "changes_decision": Decision.objects.get(kind="revert").pk,
            "grading_coursechangehistory": history.pk,
            "accounts_auditlog": AuditLog.objects.filter(event="decision").first().pk,
        }
    said = {
        name: office.get(reverse(f"admin:{name}_change", args=[pk])).content.decode()
        for name, pk in rows.items()
    }
    listed = office.get(reverse("admin:grading_coursechangehistory_changelist")).content.decode()
    for page in (*said.values(), listed):
        text = re.sub(r"<[^>]*>", " ", page.partition("<h1>")[2])
        raw = r"\b(Ip|room_id|User agent|Entity id|by way of|enrollment\.grade|sign_in)\b"
        assert not re.search(raw, text), text
    assert "ENG 105" in said["changes_change"]
    assert "<dt>From the address</dt>" in said["changes_changeset"]
    assert "Typed by" in said["changes_decision"]
    assert "field_name=room_id" in listed


def named(people, *names):
    """Add pupils as the office, and return their ids."""
    made = []
    with enter(people.school):
        for family, given in names:
            drafts = creation("student", {"family_name": family, "given_names": given})
            people.a.enters(drafts, whole=True)
            made.append(drafts[0].entity_id)
    return made


def test_names_are_sorted_and_found_as_people_do_whatever_accents_they_bear(office, people):
    named(people, ("Öberg", "Åke"), ("Müller", "Zoë"), ("Łuć", "Jan"), ("Zander", "Al"))
    at = reverse("admin:students_student_changelist")

    def listed(**asked):
        rows = office.get(at, asked).context["cl"].result_list
        return [row.called for row in rows]

    everybody = listed()
    assert everybody == sorted(everybody, key=plain)
    assert everybody[-4:] == ["Łuć, Jan", "Müller, Zoë", "Öberg, Åke", "Zander, Al"]
    assert listed(o="-0")[0] == "Zander, Al", listed(o="-0")
    for typed, found in (
        ("muller", "Müller, Zoë"),
        ("Ake Oberg", "Öberg, Åke"),
        ("luc", "Łuć, Jan"),
    ):
        assert listed(q=typed) == [found]
    assert listed(q="Müller, Zoë") == ["Müller, Zoë"]
    assert listed(q="muller al") == []


def test_people_are_sorted_and_found_without_their_accents_too(office, people):
    for person, name in ((people.t1, "Łucía Ábel"), (people.t2, "Zoë Adam"), (people.v, "luca Z")):
        person.user.name = name
        person.user.save()
    at = reverse("admin:accounts_membership_changelist")

    def listed(**asked):
        return [row.called for row in office.get(at, asked).context["cl"].result_list]

    assert listed() == sorted(listed(), key=plain)
    assert listed(q="abel lucia") == listed(q="Łucía") == ["Łucía Ábel"]
    assert listed(q="zoe") == ["Zoë Adam"]
    assert "Łucía Ábel" in listed(q=people.t1.user.email)


def test_a_text_is_as_plain_in_the_database_as_in_python(people):
    for text in (
        "Åke ÖÉ",
        "ŁUĆ",
        "Øre Æble",
        "Þór",
        "ASCII Only",
        "Straße",
        "Ngô Đình",
        "",
        "中 文",
    ):
        said = School.objects.annotate(said=Plain(Value(text))).values_list("said", flat=True)
        assert said.first() == plain(text), text


def test_who_adds_a_pupil_is_asked_whether_it_is_one_who_is_there(office, people):
    add = reverse("admin:students_student_add")
    asked = Browser(people.a)
    typed = {"family_name": "Abbot", "given_names": "Ada"}
    form = form_of(asked.get(add).content.decode(), "")
    page = asked.send(add, form | typed).content.decode()
    assert "Is it one of these?" in page
    assert re.search(r"Abbott, Ada, in BIO-2[^<]*\(nearly the same name", page), page[-2500:]
    with enter(people.school):
        assert not Student.objects.filter(family_name="Abbot").exists()
    of_another = asked.send(
        add, form_of(page, "") | {"family_name": "Brown", "given_names": "Ben"}
    ).content.decode()
    assert "Brown, Ben, in BIO-2" in of_another  # who was sure spoke of the first only
    done = asked.send(add, form_of(of_another, "") | typed)
    assert done.status_code == 302
    with enter(people.school):
        assert Student.objects.filter(family_name="Abbot").exists()
    other = {"family_name": "Quite", "given_names": "Different"}
    assert asked.send(add, form_of(asked.get(add).content.decode(), "") | other).status_code == 302


def test_a_pupil_is_merged_with_any_other_from_their_own_record(office, people):
    (again,) = named(people, ("Nobody", "Like"))
    record = office.get(reverse("admin:students_student_change", args=[again])).content.decode()
    at = f"{reverse('admin:duplicates')}?pupil={again}"
    assert f'href="{at}"' in record
    found = office.get(f"{at}&q=abbott").content.decode()
    assert f"?keep={again}&amp;other={people.students[0]}" in found
    assert "Nobody else found for" in office.get(f"{at}&q=zzzz").content.decode()


def test_classes_and_places_name_their_term(office, people):
    with enter(people.school):
        enrollment = people.marks[0]
    for name, pk in (("section", people.section), ("enrollment", enrollment)):
        page = office.get(reverse(f"admin:grading_{name}_change", args=[pk])).content.decode()
        assert re.search(r"<h1>[^<]*BIO-2, Autumn 2026</h1>", page), name
    listed = office.get(reverse("admin:grading_enrollment_changelist")).content.decode()
    assert re.search(r'data-label="Term"[^>]*>Autumn 2026<', listed)
    file = office.get(reverse("admin:grading_enrollment_csv")).content.decode("utf-8-sig")
    assert file.partition("\r\n")[0].endswith(",term")
    assert ",Autumn 2026\r\n" in file
    told = office.get(reverse("admin:timeline", args=["enrollment", enrollment])).content.decode()
    assert re.search(r"Term: <a[^>]*>Autumn 2026</a>", told)


def test_the_icon_is_found_where_a_browser_looks_by_itself(client):
    assert client.get("/favicon.ico").url.endswith(".svg")


def test_the_list_of_changes_says_what_became_of_each(office, people):
    with enter(people.school):
        people.v.types(people.marks[0], "60")
        people.t1.types(people.marks[0], "70")
        people.t1.types(people.marks[0], "75")
        people.a.reverts(people.v)
    listed = office.get(reverse("admin:changes_change_changelist")).context["cl"].result_list
    found = {row.value: row.came_to for row in listed if row.entity_id == people.marks[0]}
    assert found["60"] == "excluded"
    assert found["70"] == "superseded: its author typed another value"
    assert found["75"] == "awaiting approval"
