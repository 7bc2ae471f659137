"""The office's lists and records: words that people use, and columns that a phone shows too."""

import re

import pytest
from django.urls import reverse

from accounts import freezing
from accounts.in_school import enter
from accounts.models import AuditLog
from changes.models import Change, Decision
from grading.models import CourseChangeHistory
from tests.cast import only


@pytest.fixture
def office(client, people):
    client.force_login(people.a.user)
    return client


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
