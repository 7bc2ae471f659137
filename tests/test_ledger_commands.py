"""The ledger's commands, as the operator and the office type them."""

import datetime as dt
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from changes.management.commands import verify_ledger
from changes.models import Decision, Exclusion
from changes.propose import Draft
from grading.models import GradeCorrection
from students.models import Student
from tests.cast import SATURDAY_NIGHT, Cast, only

V, A, B = "v.sweet@hill.example", "a.admin@hill.example", "b.admin@hill.example"


@pytest.fixture
def night(inside: Cast) -> Cast:
    """V raised Ada's mark on Saturday night, and left another waiting."""
    inside.stand(inside.marks[0], "60", by=inside.t1)
    inside.stand(inside.marks[0], "95", by=inside.v, at=SATURDAY_NIGHT)
    inside.v.types(inside.marks[1], "99", at=SATURDAY_NIGHT)
    return inside


ID = re.compile(r" \[([0-9a-f-]{36})\]$")


def run_with_ids(command: str, *arguments: str, **options: Any) -> list[str]:
    """Run a command and return the lines that it prints."""
    out = StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue().splitlines()


def run(command: str, *arguments: str, **options: Any) -> list[str]:
    """Run a command and return the lines that it prints, without the ids of changes."""
    return [ID.sub("", line) for line in run_with_ids(command, *arguments, **options)]


WINDOW = ["--from", "2026-11-14 23:00", "--to", "2026-11-14 23:30"]


def revert_changes(*more: str) -> list[str]:
    return run("revert_changes", "--school=hill", f"--account={V}", f"--by={A}", *WINDOW, *more)


def number_of(kind: str) -> str:
    return str(Decision.objects.filter(kind=kind).latest("number").number)


def write_beside_the_projector(people: Cast, grade: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select set_config('schoolmarks.projector', 'on', true)")
        cursor.execute(
            "update grading_enrollment set grade = %s where id = %s", [grade, people.marks[0]]
        )
        cursor.execute("select set_config('schoolmarks.projector', 'off', true)")


# Verifying and rebuilding. ------------------------------------------------------------------------


def test_verify_says_of_every_school_that_it_is_equal(night):
    assert run("verify_ledger") == [
        "Hill School (hill): equal, 0 records suspended",
        "Vale School (vale): equal, 0 records suspended",
    ]
    assert run("verify_ledger", "--school=vale") == [
        "Vale School (vale): equal, 0 records suspended"
    ]


def test_verify_counts_the_records_that_wait_for_a_parent(night):
    night.t1.deletes("student", night.students[1])
    night.a.approves(*night.open_of(night.students[1]))
    assert run("verify_ledger", "--school=hill") == [
        "Hill School (hill): equal, 1 record suspended"
    ]


def test_verify_fails_and_names_the_cells_that_differ(night):
    write_beside_the_projector(night, "100")
    out = StringIO()
    with pytest.raises(CommandError, match="not what the ledger adds up to: 1 cell") as failure:
        call_command("verify_ledger", stdout=out)
    assert failure.value.returncode == 1
    assert out.getvalue().splitlines()[:3] == [
        "Hill School (hill) differs:",
        "  Abbott, Ada in BIO-2: grade 100 in the table, 95 by the ledger",
        "Hill School (hill): 1 cell differs, 0 records suspended",
    ]


def test_verify_names_a_record_that_stands_in_the_table_alone_or_in_the_ledger_alone(
    night, monkeypatch
):
    monkeypatch.setattr(verify_ledger, "PORTION", 1)  # also where a record has more differences
    with connection.cursor() as cursor:
        cursor.execute("select set_config('schoolmarks.projector', 'on', true)")
        cursor.execute("delete from grading_enrollment where id = %s", [night.marks[2]])
        cursor.execute(
            "insert into students_student (id, school_id, number, given_names, family_name, email,"
            " guardian_email, year_level, home_group, pronouns)"
            " values (gen_random_uuid(), %s, '666', 'Eve', 'Forged', '', '', '', '', '')",
            [night.school.pk],
        )
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("verify_ledger", "--school=hill", stdout=out)
    assert "  Forged, Eve: stands in the table alone" in out.getvalue().splitlines()
    assert "  Carter, Cleo in BIO-2: stands in the ledger alone" in out.getvalue().splitlines()
    assert "Hill School (hill): 2 cells differ, 0 records suspended" in out.getvalue().splitlines()


def test_rebuild_moves_nothing_where_all_is_well(night):
    corrections = GradeCorrection.objects.count()
    assert run("rebuild_ledger", "--school=hill") == ["Hill School (hill): 0 cells moved"]
    assert GradeCorrection.objects.count() == corrections


def test_rebuild_mends_and_leaves_no_effects(night):
    corrections = GradeCorrection.objects.count()
    write_beside_the_projector(night, "100")
    assert run("rebuild_ledger") == [
        "Hill School (hill): 1 cell moved",
        "Vale School (vale): 0 cells moved",
    ]
    assert night.grade(night.marks[0]) == "95"
    assert night.is_equal()
    assert GradeCorrection.objects.count() == corrections


# Reverting. ---------------------------------------------------------------------------------------


def test_a_dry_run_prints_the_preview_and_does_nothing(night):
    before = night.tables()
    assert revert_changes("--dry-run") == [
        "  Abbott, Ada in BIO-2: mark 95 -> 60",
        "Leaves the queue:",
        "  Brown, Ben in BIO-2: mark 99, by V Sweet",
        "Will be written:",
        "  1 grade correction will be written",
        "Would revert 2 changes. Nothing was done.",
    ]
    assert night.tables() == before
    assert not Decision.objects.filter(kind="revert").exists()


def test_a_revert_prints_what_it_did_and_its_number(night):
    *_, last = revert_changes("--reason", "it was her niece")
    number = number_of("revert")
    assert last == (
        f"Reverted 2 changes, as number {number}. To lift it: "
        f"manage.py reinstate {number} --school hill --by EMAIL"
    )
    assert night.grade(night.marks[0]) == "60"
    row = GradeCorrection.objects.get(kind="revert")
    assert (row.reason, row.approved_by) == ("it was her niece", night.a.user)
    assert night.is_equal()


def test_the_preview_says_what_vanishes_what_is_kept_and_what_is_to_be_checked(night):
    v, a, section = night.v, night.a, night.section
    kept = v.creates("student", number="411", family_name="Kept", at=SATURDAY_NIGHT)
    gone = v.creates(
        "student", number="412", family_name="Park", given_names="Kim", at=SATURDAY_NIGHT
    )
    room = v.creates("room", name="ENG 105", at=SATURDAY_NIGHT)
    a.approves(*night.open_of(kept, gone, room))
    night.t1.enrols(kept, section)
    night.t1.changes_cell("section", section, room=str(room))
    a.approves(*night.open_of(section))
    night.stand(night.marks[2], "80", by=v, at=SATURDAY_NIGHT)
    night.stand(night.marks[2], "82", by=night.t1)
    night.t2.types(night.marks[0], "96", reason="recounted")
    a.declines(only(v.types(night.marks[1], "late", field="comment", at=SATURDAY_NIGHT)))
    assert set(revert_changes("--dry-run")) == {
        "  Abbott, Ada in BIO-2: mark 95 -> 60",
        "  Carter, Cleo in BIO-2: mark stays 82, no effect: a later value stands",
        "  Kept: kept, since others built on it (changes: 3 by T1 Teacher)",
        "  Park, Kim: vanishes",
        "  ENG 105: vanishes",
        "Besides:",
        "  BIO-2: room ENG 105 -> nothing",
        "Please check: approved, typed over a value that falls:",
        "  Carter, Cleo in BIO-2: mark 82, by T1 Teacher",
        "Waits, typed over a value that falls:",
        "  Abbott, Ada in BIO-2: mark 96, by T2 Teacher",
        "Leaves the queue:",
        "  Brown, Ben in BIO-2: mark 99, by V Sweet",
        "Was declined, and stays so:",
        "  Brown, Ben in BIO-2: comment late, by V Sweet",
        "Will be written:",
        "  1 grade correction will be written",
        "Would revert 9 changes. Nothing was done.",
    }
    whole = revert_changes("--dry-run", "--with-what-was-built-on-it")
    assert "  Kept: vanishes, and what was built on it with it (changes: 3 by T1 Teacher)" in whole


def test_a_withdrawal_by_the_intruder_returns_to_the_queue(inside):
    own = only(inside.t1.types(inside.marks[0], "70"))
    inside.t1.withdraws(own, at=SATURDAY_NIGHT)
    lines = run(
        "revert_changes",
        "--school=hill",
        "--account=t1.teacher@hill.example",
        f"--by={A}",
        "--from=2026-11-14 23:00",
        "--to=2026-11-15",
        "--dry-run",
    )
    assert lines[:2] == ["Returns to the queue:", "  Abbott, Ada in BIO-2: mark 70, by T1 Teacher"]


def test_a_clash_is_said_with_the_names_and_can_be_left_out(night):
    moved, other = night.students[:2]
    night.v.changes_cell("student", moved, number="500", at=SATURDAY_NIGHT)
    night.a.approves(*night.open_of(moved))
    night.t1.changes_cell("student", other, number="101")
    night.a.approves(*night.open_of(other))
    dry = revert_changes("--dry-run")
    assert "  2 pupils would have the same number: Abbott, Ada, Brown, Ben" in dry
    with pytest.raises(CommandError, match=r"Nothing was done: 2 pupils .* --leave-clashing"):
        revert_changes()
    assert night.grade(night.marks[0]) == "95"
    lines = revert_changes("--leave-clashing")
    assert "  Abbott, Ada: number: kept" in lines
    assert night.grade(night.marks[0]) == "60"
    assert Student.objects.get(pk=moved).number == "500"
    assert night.is_equal()


def test_single_lines_are_left_out_by_the_ids_that_a_dry_run_prints(night):
    command = ["--school=hill", f"--account={V}", f"--by={A}", *WINDOW]
    dry = run_with_ids("revert_changes", *command, "--dry-run")
    stands, waits = [found[1] for line in dry if (found := ID.search(line))]
    assert ID.sub("", dry[0]) == "  Abbott, Ada in BIO-2: mark 95 -> 60"
    lines = run("revert_changes", *command, f"--except={stands}")
    assert "  Abbott, Ada in BIO-2: mark: kept" in lines
    assert night.grade(night.marks[0]) == "95"
    number = number_of(Decision.Kind.REVERT)
    assert [str(each.change_id) for each in Exclusion.objects.all()] == [waits]
    with pytest.raises(CommandError, match=f"--except: {stands} is not among"):
        run("reinstate", number, "--school=hill", f"--by={B}", f"--except={stands}")
    with pytest.raises(CommandError, match="no line is ticked"):
        run("reinstate", number, "--school=hill", f"--by={B}", f"--except={waits}")


def test_an_address_narrows_the_revert(night):
    with pytest.raises(CommandError, match="no change matches"):
        revert_changes("--ip=203.0.113.9")
    assert revert_changes("--ip=10.0.1.3")[-1].startswith("Reverted 2 changes")


def test_what_an_account_decided_can_be_reverted(night):
    honest = only(night.t1.types(night.marks[2], "44"))
    night.b.approves(honest, at=SATURDAY_NIGHT)
    lines = run(
        "revert_changes",
        "--school=hill",
        f"--decided-by={B}",
        f"--by={A}",
        "--from=2026-11-14 23:00",
        "--to=2026-11-15",
    )
    assert lines[0] == "  Carter, Cleo in BIO-2: mark 44 -> nothing"


def test_the_second_of_a_repeated_hour_is_chosen(inside):
    for mark, hour in zip(inside.marks, (0, 1), strict=False):
        inside.v.types(mark, "95", at=dt.datetime(2026, 10, 25, hour, 30, tzinfo=dt.UTC))
    window = ["--from=2026-10-25 01:15", "--to=2026-10-25 01:45"]
    command = ["--school=hill", f"--account={V}", f"--by={A}", "--dry-run", *window]
    with pytest.raises(CommandError, match=r"--from: .* came twice.* --first-hour or"):
        run("revert_changes", *command)
    assert "  Abbott, Ada in BIO-2: mark 95, by V Sweet" in run(
        "revert_changes", *command, "--first-hour"
    )
    assert "  Brown, Ben in BIO-2: mark 95, by V Sweet" in run(
        "revert_changes", *command, "--second-hour"
    )


# Lifting. -----------------------------------------------------------------------------------------


def test_a_revert_is_lifted_by_its_number(night):
    revert_changes()
    number = number_of("revert")
    dry = run("reinstate", number, "--school=hill", f"--by={B}", "--dry-run")
    assert dry == [
        "  Abbott, Ada in BIO-2: mark 60 -> 95",
        "Returns to the queue:",
        "  Brown, Ben in BIO-2: mark 99, by V Sweet",
        "Will be written:",
        "  1 grade correction will be written",
        f"Would lift 2 of number {number}. Nothing was done.",
    ]
    assert night.grade(night.marks[0]) == "60"
    *_, last = run("reinstate", number, "--school=hill", f"--by={B}", "--reason=it was her")
    assert last == (
        f"Lifted, as number {number_of('reinstate')}. "
        f"Number {number} still excludes 0 of 2 changes."
    )
    assert night.grade(night.marks[0]) == "95"
    assert GradeCorrection.objects.get(kind="reinstate").reason == "it was her"
    with pytest.raises(CommandError, match="nothing to do"):
        run("reinstate", number, "--school=hill", f"--by={B}")


def test_what_clashes_stays_excluded_when_the_rest_is_lifted(night):
    student = night.v.creates("student", number="412", family_name="Park", at=SATURDAY_NIGHT)
    night.a.approves(*night.open_of(student))
    revert_changes()
    number = number_of("revert")
    taken = night.t1.creates("student", number="412", family_name="Other")
    night.a.approves(*night.open_of(taken))
    arguments = [number, "--school=hill", f"--by={B}"]
    with pytest.raises(CommandError, match="would have the same number"):
        run("reinstate", *arguments)
    *_, last = run("reinstate", *arguments, "--leave-clashing")
    assert last.endswith(f"Number {number} still excludes 3 of 5 changes.")
    assert night.grade(night.marks[0]) == "95"
    assert night.is_equal()


# Refusals: one sentence each, and nothing done. ---------------------------------------------------


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--school=dale", "--school: there is no school 'dale' here, but: hill, vale."),
        ("--school=vale", "--by: nobody of Vale School has the address 'a.admin@hill.example'."),
        ("--account=x@hill.example", "--account: nobody of Hill School has the address"),
        ("--by=t1.teacher@hill.example", "--by: t1.teacher@hill.example is no active member of"),
        ("--by=nobody", "--by: nobody of Hill School has the address 'nobody'."),
        ("--from=yesterday", "--from: “yesterday” is not a date and time"),
        ("--to=2026-03-29 01:30", "--to: 29 March 2026 01:30 did not exist at this school"),
        ("--to=2026-11-14 22:00", "The window ends before it begins."),
        ("--ip=10.0.0", "--ip: '10.0.0' is no IP address, such as 203.0.113.9."),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_one_sentence(night, option, sentence):
    with pytest.raises(CommandError) as refusal:
        revert_changes(option)
    assert str(refusal.value).startswith(sentence)
    assert "\n" not in str(refusal.value)
    assert not Exclusion.objects.exists()


def test_who_has_left_the_office_reverts_nothing_and_can_be_reverted(night):
    night.a.member.is_active = False
    night.a.member.save()
    with pytest.raises(CommandError, match="is no active member of Hill School’s office"):
        revert_changes()
    night.v.member.is_active = False
    night.v.member.save()
    assert revert_changes(f"--by={B}")[-1].startswith("Reverted 2 changes")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [("999", "Hill School has no decision of the number 999."), ("1", "Number 1 edited directly:")],
)
def test_only_a_revert_or_a_merge_is_lifted(night, number, sentence):
    with pytest.raises(CommandError, match=sentence):
        run("reinstate", number, "--school=hill", f"--by={B}")


def test_nobody_lifts_what_excludes_their_own_changes(night):
    night.b.enters([Draft(entity_type="room", entity_id=night.room, field="name", typed="LAB")])
    reverted = night.a.reverts(night.b)
    with pytest.raises(CommandError, match="somebody else must lift that"):
        run("reinstate", str(reverted.decision.number), "--school=hill", f"--by={B}")
