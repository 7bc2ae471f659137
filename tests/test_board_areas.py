"""The board by department: by the subject areas of the courses."""

import re

import pytest

from accounts.in_school import enter
from changes.propose import creation
from tests.test_board import a_class, board_of, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(people):
    """A class of Biology, which is in no subject area, and three of Science and Languages."""
    with enter(people.school):
        for code, area in (("CHE-1", "Science"), ("CHE-2", "science "), ("FRE-1", "Languages")):
            course = creation("course", {"title": f"Course of {code}", "subject_area": area})
            people.a.enters(course, whole=True)
            a_class(people, code, course=str(course[0].entity_id))
    return people


def test_the_picture_is_grouped_by_subject_area_however_it_is_capitalised(people):
    page = board_of(people.a, "?by=area")
    picture = page.partition('<dl class="board">')[2].partition("</dl>")[0]
    found = [
        (heading, re.findall(r">([A-Z]+-\d)<", classes))
        for heading, classes in re.findall(r"<dt>([^<]*)</dt> <dd>(.*?)</dd>", picture)
    ]
    assert found == [
        ("Languages", ["FRE-1"]),
        ("no subject area", ["BIO-2"]),
        ("science", ["CHE-1", "CHE-2"]),
    ]


@pytest.mark.parametrize(
    ("area", "found"),
    [
        ("science", ["CHE-1", "CHE-2"]),
        ("languages", ["FRE-1"]),
        ("-", ["BIO-2"]),
        ("alchemy", []),
    ],
)
def test_the_board_is_filtered_by_subject_area(people, area, found):
    assert rows(board_of(people.a, f"?area={area}")) == found


def test_each_subject_area_is_offered_once(people):
    page = board_of(people.a)
    offered = page.partition('name="area"')[2].partition("</select>")[0]
    assert re.findall(r'value="([^"]*)"', offered) == ["", "languages", "-", "science"]
