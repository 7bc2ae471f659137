"""The office's lists and records: words that people use, and columns that a phone shows too."""

import re

import pytest
from django.urls import reverse

from accounts.in_school import enter


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
