"""That ``make crash`` would find out what it looks for. (It is played by itself: it takes long.)"""

import dataclasses

import pytest

from accounts.in_school import enter
from changes.models import Change
from tests.crash import judge


@dataclasses.dataclass
class Said:
    """What somebody of the load was answered."""

    answered: list[str] = dataclasses.field(default_factory=list)
    keys: list[str] = dataclasses.field(default_factory=list)


@pytest.fixture
def people(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "said once", field="comment")
        change = Change.objects.get(value="said once")
        people.a.approves(change)
    return people


def test_what_was_answered_and_is_there_once_is_well(people):
    assert judge(people, [Said(["said once"])], [Said()]) == {"saves": 1, "acts": 0}


def test_a_save_that_was_answered_and_is_not_there_is_found(people):
    with pytest.raises(AssertionError, match="1 saves that were answered are not there"):
        judge(people, [Said(["said once", "said, and lost"])], [])


def test_a_save_that_is_there_twice_is_found(people):
    with enter(people.school):
        people.t1.types(people.marks[1], "said once", field="comment")
    with pytest.raises(AssertionError, match="1 saves are there twice"):
        judge(people, [Said(["said once"])], [])


def test_an_act_of_the_office_that_was_answered_and_is_not_there_is_found(people):
    with pytest.raises(AssertionError, match="1 acts were lost"):
        judge(people, [], [Said(keys=["a key that no decision has"])])
