"""A roster is entered in parts, one of them in memory at a time, and is one import all the same."""

import gc

import pytest

from accounts.in_school import enter
from accounts.origin import Origin
from changes import chain, projector
from changes.deciding import rehearsing
from changes.judgement import Judged
from changes.models import Change, ChangeSet, Decision
from changes.propose import Draft
from grading.models import Enrollment, Section
from grading.oneroster import compare, looking
from grading.oneroster.load import load
from grading.oneroster.problems import BadRoster
from grading.oneroster.reader import read_roster
from students.models import Student
from tests.small_roster import NUMBERED, SOUND, instead, plus, write


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(compare, "PART", 1)


@pytest.fixture
def school(people):
    return people.school


@pytest.fixture
def bring(people, tmp_path):
    """Import a small delivery, its files in place of those of the sound one, into the school."""

    def load_(files=None, **options):
        return load(
            read_roster(write(tmp_path / "delivery", files)),
            name="roster",
            email=people.a.user.email,
            time_zone="UTC",
            origin=Origin(),
            only=people.school,
            **options,
        )

    return load_


def test_all_parts_are_one_change_set_and_one_decision(bring, school):
    with enter(school):
        before = ChangeSet.objects.count(), Decision.objects.count()
        bring()
        after = ChangeSet.objects.count(), Decision.objects.count()
        assert after == (before[0] + 1, before[1] + 1)
        decision = Decision.objects.order_by("-number").first()
        changes = Change.objects.filter(decision=decision).order_by("id")
        assert {each.change_set.source for each in changes} == {ChangeSet.Source.IMPORT}
        positions = list(changes.values_list("position", flat=True))
        assert positions == list(range(positions[0], positions[0] + len(positions)))
        assert Enrollment.objects.get(source_id="e1").grade == "80"
        assert projector.verify(school).equal
        assert list(chain.walk(school)) == []


def test_what_is_shown_does_not_depend_on_the_parts(bring, school, monkeypatch):
    def shown():
        with rehearsing():
            report = bring(files, telling=True, confirmed=True)
        return looking.of_report(report, email="office")

    with enter(school):
        bring({"users.csv": NUMBERED})
        another = NUMBERED.replace("Ana,Moreno", "Anna,Moreno") + "p4,true,s1,student,Di,Ox,,\n"
        marks = (
            SOUND["results.csv"].replace("80,2025", "81,2025").replace("r2,l1,p2,exempt,,,\n", "")
        )
        files = {
            "users.csv": another,
            "results.csv": marks.replace("r2,l1,p2,exempt,,,\n", ""),
            **instead("enrollments.csv", "e2,k1,s1,p2,student,\n", ""),
        }
        small = shown()
        monkeypatch.setattr(compare, "PART", 1500)
        assert small == shown()
    assert [group["heading"] for group in small["groups"]] == [
        "pupil changed",
        "pupil new",
        "enrolments wait for a second person",
    ]


def test_pupils_who_exchange_their_numbers_in_different_parts_do_not_clash(bring, school):
    with enter(school):
        bring({"users.csv": NUMBERED})
        exchanged = NUMBERED.replace("Moreno,101", "Moreno,102").replace("Li,102", "Li,101")
        bring({"users.csv": exchanged})
        numbers = Student.objects.exclude(source_id=None).order_by("source_id")
        assert list(numbers.values_list("source_id", "number")) == [("p1", "102"), ("p2", "101")]


def test_pupils_of_different_parts_with_one_number_are_refused_at_their_line(bring, school):
    with enter(school), pytest.raises(BadRoster) as caught, rehearsing():
        bring({"users.csv": NUMBERED.replace("Li,102", "Li,101")})
    assert [(each.file, each.line, each.column) for each in caught.value.problems] == [
        ("users.csv", 3, "identifier")
    ]


def test_what_is_refused_in_several_parts_is_told_at_once_and_nothing_stands(bring, school):
    bad = {
        **instead("results.csv", "Well done", "x" * 9000),
        "users.csv": NUMBERED.replace("Li,102", f"Li,{'1' * 61}"),
    }
    with enter(school):
        with pytest.raises(BadRoster) as caught, rehearsing():
            bring(bad)
        places = {(each.file, each.line, each.column) for each in caught.value.problems}
        assert places >= {("results.csv", 2, "comment"), ("users.csv", 3, "identifier")}
        assert not Section.objects.filter(source_id="k1").exists()


def test_no_more_than_one_part_is_in_memory(bring, school):
    alive = []

    def in_memory():
        gc.collect()  # what was left by other tests, for one
        kinds = [type(each) for each in gc.get_objects()]
        return [kinds.count(kind) for kind in (Draft, Change, Judged)]

    def step(what, done, total, *, values=0, percent=0):
        if percent == 100:
            alive.append([now - then for now, then in zip(in_memory(), before, strict=True)])

    pupils = range(6)
    files = {
        **plus("users.csv", *(f"x{i},true,s1,student,Ana,Li{i},," for i in pupils)),
        **plus("enrollments.csv", *(f"x{i},k1,s1,x{i},student," for i in pupils)),
        **plus("results.csv", *(f"x{i},l1,x{i},fully graded,50,,Good" for i in pupils)),
    }
    with enter(school):
        before = in_memory()
        bring(files, progress=step)
        values = ChangeSet.objects.order_by("-received_at", "-id").first().changes.count()
    assert values > 50
    assert all(many <= 12 for many in alive[-1])  # of a record, and of the one before it


def test_the_step_that_writes_moves(bring, school):
    said = []
    with enter(school):
        bring(progress=lambda what, done, total, **far: said.append((what, far)))
    writing = [far for what, far in said if "writing, " in what]
    assert [far["percent"] for far in writing] == sorted({far["percent"] for far in writing})
    assert writing[-1]["percent"] == 100
    assert writing[-1]["values"] == max(far["values"] for far in writing)
