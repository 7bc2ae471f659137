"""Two schools import at the same instant, and the same new teacher is in both of their files."""

import pytest
from django.db import IntegrityError

from accounts.in_school import enter
from accounts.models import Membership, User
from accounts.origin import Origin
from grading.models import Section
from grading.oneroster.load import load
from grading.oneroster.reader import read_roster
from tests.racing import race
from tests.small_roster import SOUND, write

TEACHER = "sweet@school.example"


@pytest.fixture
def both(own_cast, tmp_path):
    """Import, as the office of each school, a file of its own, at the same instant."""

    def importing(school, person):
        files = {
            name: text.replace("Hill School", school.name).replace("s1", school.slug)
            for name, text in SOUND.items()
        }
        folder = write(tmp_path / school.slug, files)
        return lambda: load(
            read_roster(folder),
            name="roster",
            email=person.user.email,
            time_zone="UTC",
            origin=Origin(),
            only=school,
        )

    people = own_cast
    schools = (people.school, people.a), (people.other_school, people.outsider)
    return lambda: race(people, *(importing(*each) for each in schools))


def schools_of_teacher(people):
    found = Membership.objects.filter(user__email=TEACHER).order_by("school__name")
    return [each.school.name for each in found]


def test_a_teacher_who_is_new_in_two_schools_becomes_a_member_of_both(own_cast, both):
    first, second = both()
    assert [report.schools[0].teachers for report in (first, second)] == [1, 1]
    assert User.objects.filter(email=TEACHER).count() == 1
    assert schools_of_teacher(own_cast) == ["Hill School", "Vale School"]
    for school in (own_cast.school, own_cast.other_school):
        with enter(school):
            assert Section.objects.get(source_id="k1").instructor.email == TEACHER


def test_control_if_a_user_who_is_there_already_stopped_the_second(own_cast, both, monkeypatch):
    insert = User.objects.bulk_create
    monkeypatch.setattr(User.objects, "bulk_create", lambda made, **_: insert(made))
    _, second = both()
    assert isinstance(second, IntegrityError)
    assert schools_of_teacher(own_cast) == ["Hill School"]
