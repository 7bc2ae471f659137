"""What `make bench` measures with runs, and does what it says; how long that takes is not asked."""

import dataclasses
import subprocess
import sys
from urllib.parse import quote, urlsplit

import pytest
from django.db import connections

from accounts.in_school import enter
from benchmarks import (
    cards,
    environment,
    history,
    isolation,
    ledger,
    load,
    memory,
    queue,
    report,
    revert,
    school,
    served,
    sheet,
)
from benchmarks.story import Edit, Story, tell
from changes import projector
from changes.models import Change
from grading import card_runs
from grading import sheet as mark_sheet
from grading.models import Term


@pytest.fixture
def measured(own_database):
    hill = school.found()
    with enter(hill):
        yield school.furnish(hill)


@pytest.fixture
def visited(site):
    """A class in every state and an empty one, on a site that serves; with the teacher's session
    and that of somebody who has no changes."""
    hill = school.found()
    with enter(hill):
        its = school.furnish(hill)
        full, empty = school.classes(its, [12, 3])
        school.fill(its, full)
    return full, empty, served.sign_in(its.teacher), served.sign_in(its.idle)


def test_a_class_is_filled_with_every_state_of_a_cell(measured):
    (of,) = school.classes(measured, [12])
    school.fill(measured, of)
    section = Change.objects.get(entity_id=of.section, field="exists").entity_id
    shown = mark_sheet.load(
        mark_sheet.Section.objects.get(pk=section),
        by=measured.teacher,
        at=measured.teacher.user.joined_at,
    )
    entries = [entry for row in shown.editable for entry in (row.grade, row.comment)]
    assert {entry.state for entry in entries} == {
        "blank",
        "approved",
        "waiting",
        "conflict",
        "declined",
    }
    assert len(shown.editable) == 12
    assert [len(shown.waitlisted), len(shown.withdrawn)] == [1, 1]
    assert sum(row.is_new_pupil for row in shown.editable) == 1


def test_the_pages_of_a_sheet_are_measured_beside_a_trivial_one(site, visited):
    full, empty, teacher, idle = visited
    address = urlsplit(site.url)
    section = report.Section("sheet", "x")
    sheet.pages_of(section, address.hostname, address.port, teacher, idle, [full, empty], times=1)
    assert [goal.what for goal in section.goals] == [
        "the page of the sheet of 12",
        "the page of the sheet of 3",
    ]
    assert all(goal.measured > 0 for goal in section.goals)


def test_a_page_that_is_refused_is_no_figure(site, visited):
    address = urlsplit(site.url)
    nobody = served.Visitor(address.hostname, address.port)
    with pytest.raises(served.NotServed, match="302"):
        nobody.get(f"/classes/{visited[0].section}/")


@pytest.mark.browser
def test_typing_is_measured_until_the_page_says_that_it_waits(site, visited, page):
    _, empty, teacher, _ = visited
    page.context.add_cookies([{"name": "sessionid", "value": teacher, "url": site.url}])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{site.url}/classes/{empty.section}/")
    assert sheet.paste_block(page, 3) > 0
    assert sheet.type_one(page, 2) > 0
    assert page.locator(".answer", has_text="awaiting approval").count() == 6


def test_the_results_keep_the_sections_of_other_parts(tmp_path):
    file = tmp_path / "results.md"
    for name, goal in (("two", 1), ("one", 1), ("two", 9)):
        section = report.Section(name, "a part", goals=[report.Goal("speed", goal, 3)])
        report.put(section.text("today"), name, ("one", "two"), file)
    text = file.read_text()
    assert text.count("## ") == 3
    assert text.index("## goals") < text.index("## one") < text.index("## two")
    assert "\n| speed | at most 3 x | 1 x | yes |  |\n" in text
    assert "\n| speed | at most 3 x | 9 x | no, by a factor of 3 |  |\n" in text
    assert "\n| one | speed | at most 3 x | 1 x | yes |\n" in text
    assert "\n| two | speed | at most 3 x | 9 x | no, by a factor of 3 |\n" in text


def test_a_goal_that_is_missed_says_by_how_much_and_what_limits_it():
    missed = report.Goal("faster", 5, 20, limit="disk || net", least=True)
    assert missed.row[1:] == ("at least 20 x", "5 x", "no, by a factor of 4", "disk \\|\\| net")
    met = report.Goal("faster", 21, 20, limit="the disk", least=True)
    assert met.row[1:] == ("at least 20 x", "21 x", "yes", "")
    wrong = report.Goal("wrong", 2, 0, "cells")
    assert wrong.row[1:] == ("at most 0 cells", "2 cells", "no", "")


def test_a_part_says_which_process_needed_most_memory():
    section = report.Section("one", "a part")
    section.memory.note("the server", 120)
    section.memory.note("a worker", 1310)
    section.memory.note("a worker", 90)
    section.memory.note("unknown", None)
    text = section.text("today")
    assert "| a worker | 1,310 MB |" in text
    assert "| at most 300 MB | 1,310 MB | no, by a factor of 4.37 | a worker |" in text


@pytest.mark.skipif(memory.peak() is None, reason="only Linux tells the peak of a process")
def test_what_was_given_back_still_counts_until_it_is_forgotten():
    """In a process of its own: this one may have needed more before, and keep it."""
    program = """
from benchmarks import memory
peaks = memory.Peaks()
with peaks.during("much"):
    len(bytearray(b"x") * 200_000_000)
with peaks.during("little"):
    pass
print(peaks["much"] - peaks["little"])
"""
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert float(said.stdout) > 150


def test_people_at_once_are_measured_with_what_they_are_refused(site):
    hill = school.found()
    with enter(hill):
        its = school.furnish(hill)
    staff = load.hire(its, 2, pupils=2)
    address = urlsplit(site.url)
    sizes = load.Sizes(connections=(2,), requests=4, pupils=2)
    found = load.under_load(staff, address.hostname, address.port, sizes)
    assert len(found) == 3
    assert all(len(answered.took) == 4 for answered in found.values())
    assert not any(answered.errors for answered in found.values())
    with enter(hill):  # each over what waited there
        assert Change.objects.open().count() == 4
    stranger = served.Visitor(address.hostname, address.port, staff[0].teachers_session, "another")
    of = staff[0].its_class
    refused = load.press([load.saving(stranger, of)], times=2)
    assert refused.took == []
    assert len(refused.errors) == 2
    assert "409" in refused.errors[0]


def test_a_story_without_the_account_keeps_what_others_typed_over_it():
    edits = [
        Edit(0, "grade", "20", misused=True),
        Edit(0, "grade", "30", misused=False),
        Edit(1, "grade", "40", misused=True),
        Edit(1, "comment", "Fair.", misused=False),
    ]
    should = Story(2, edits).what_should_stand()
    assert should[0, "grade"] == "30"
    assert should[1, "grade"] == Story.first(1, "grade")
    assert should[1, "comment"] == "Fair."
    told = tell(rows=9, misused=30, others=60)
    bundles = list(told.rounds())
    assert sum(map(len, bundles)) == 90
    assert all(len({edit.cell for edit in some}) == len(some) for some in bundles)


def test_our_revert_of_the_story_leaves_no_cell_wrong(measured):
    found = ledger.reverting(measured, tell(rows=6, misused=8, others=16), times=1)
    assert found["wrong"] == 0
    took, profiles = ledger.costs(measured, ledger.TINY)
    assert {"propose sheet", "approve many", "bare many"} <= took.keys()
    assert len(profiles) == 2


@pytest.mark.skipif(not environment.is_there(), reason="`make bench ARGS=ledger` installs it")
def test_the_libraries_play_the_same_story(own_database, monkeypatch):
    owner = connections["owner"].settings_dict
    url = f"postgresql://{owner['USER']}@{quote(owner['HOST'], safe='')}/{owner['NAME']}"
    monkeypatch.setenv("DATABASE_OWNER_URL", url)
    monkeypatch.setenv("SECRET_KEY", "x" * 50)
    found = ledger.of_others(ledger.TINY)
    assert len(found) == 5
    assert "revert" not in found["plain Django"]
    assert all(its["revert"] > 0 for name, its in found.items() if name != "plain Django")


@pytest.fixture
def long_history(own_database):
    return history.make(600, few=20, many=30)


def test_a_history_filled_by_sql_folds_and_reverts_like_any_other(long_history):
    made = long_history
    assert abs(made.changes - 600) < 120
    assert made.moved > 0
    with enter(made.school):
        assert projector.verify(made.school).equal
        enrolled = Change.objects.get(author_id=made.few.user_id, value="20").entity_id
        assert mark_sheet.Enrollment.objects.get(pk=enrolled).grade == "40"  # typed afterwards
    took = revert.reverting(made, made.many, 30, times=1)
    assert set(took) == {"bare UPDATE of 30 rows", "preview 30", "revert 30", "lift 30"}
    assert revert.page_of_preview(made) > 0
    done = revert.do_revert(made, made.many)
    assert sum(line.kind.name == "FALLS_BACK" for line in done.preview.lines) == 27


def test_growth_is_the_slope_over_all_sizes():
    assert revert.exponent({10: 1.0, 100: 100.0, 1000: 10_000.0}) == pytest.approx(2)
    assert revert.exponent({10: 1.0, 100: 50.0, 1000: 100.0}) == pytest.approx(1)
    section = report.Section("revert", "x")
    growth = {10: dict.fromkeys((revert.REBUILD, revert.REBUILD_AGAIN), 1.0)}
    growth[100] = {revert.REBUILD: 10.0, revert.REBUILD_AGAIN: 20.0}
    revert.goals_of_growth(section, growth)
    assert [goal.is_met for goal in section.goals] == [True, False]
    assert section.goals[1].row[1:4] == ("at most 1.1", "1.3", "no, by a factor of 1.18")


def test_schools_of_several_sizes_are_measured_one_beyond_the_others(own_database):
    section = report.Section("revert", "x")
    sizes = dataclasses.replace(revert.TINY, ledgers=(600,), beyond=(900,))
    revert.measure_schools(section, sizes)
    text = section.text("today")
    assert text.count(" changes | ") >= 2
    assert {goal.what.split()[0] for goal in section.goals} == {
        "revert",
        "lift",
        "the",
        "rebuild",
        "rebuild,",
    }


def test_all_that_waits_is_approved(measured):
    classes = school.classes(measured, [5, 5])
    queue.fill(measured, classes, 1)
    queue.approve(measured, queue.ids_that_wait(measured, 10))
    assert not Change.objects.open().exists()


def test_the_pages_of_the_queue_take_as_many_statements_with_more_waiting(measured):
    classes = school.classes(measured, [5, 5, 5])

    def counted(some):
        queue.fill(measured, some, 1)
        return queue.statements_of_pages(measured, classes[0])

    few = counted(classes[:1])
    assert set(few) == {"first page", "one sheet"}
    assert min(few.values()) > 1
    assert counted(classes[1:]) == few


def test_the_cards_of_pupils_are_made_and_bound(measured):
    run = cards.ask(measured, cards.furnish(measured, 2))
    while card_runs.make_next(measured.school):
        pass
    cards.bind(measured, run, 2)


def test_without_policies_a_query_sees_every_school_and_afterwards_its_own_again(own_database):
    schools = [school.found(name) for name in ("Hill", "Dale")]
    for each in schools:
        with enter(each):
            school.furnish(each)

    def terms_seen():
        with enter(schools[0]):
            return Term.objects.count()

    assert terms_seen() == 1
    with isolation.without_policies():
        assert terms_seen() == 2
    assert terms_seen() == 1
