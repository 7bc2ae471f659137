"""The chain of decisions: a ledger in which somebody wrote beside the application is found out,
by the application and by whoever has only the exported file."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from accounts import outbox
from accounts.in_school import enter
from accounts.models import School
from changes import chain, seal
from changes.models import Decision
from tests.cast import SATURDAY_NIGHT, only

CHECK = Path(__file__).resolve().parent.parent / "tools" / "check_ledger.py"

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


@pytest.fixture
def people(people):
    """The cast after a term: marks, a correction, a decline, and Saturday night taken back."""
    if "owner" not in connections:
        pytest.skip("one role serves and owns here: DATABASE_OWNER_URL is not set")
    serving = connections["default"]
    # From here on all is done by the owner's role, which alone can forge; and is rolled back.
    connections["default"] = connections["owner"]
    try:
        with transaction.atomic(), enter(people.school):
            people.stands("60", "70")
            people.a.approves(only(people.v.types(people.marks[0], "95", reason="misread")))
            people.a.declines(only(people.t2.types(people.marks[1], "5")), reason="not hers")
            people.v.types(people.marks[2], "99", at=SATURDAY_NIGHT)
            people.b.reinstates(people.a.reverts(people.v, start=None, reason="her niece"))
            people.t1.types(people.marks[1], "55")
            people.a.declines(only(people.t2.types(people.marks[2], "6")))
            yield people
            transaction.set_rollback(True)
    finally:
        connections["default"] = serving


def forge(statement, *parameters):
    """Write into the ledger as whoever owns the tables can."""
    tables = ("changes_change", "changes_decision", "changes_exclusion", "changes_ledgerhead")
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        for table in tables:
            cursor.execute(f"alter table {table} disable trigger user")
        cursor.execute("set constraints all deferred")
        cursor.execute(statement, parameters)
        assert cursor.rowcount, statement


def exported(people, folder):
    file = folder / "ledger.jsonl"
    call_command("export_ledger", str(file), school=people.school.slug, stdout=io.StringIO())
    return file


def checked(file, *published):
    """What the checker says of an exported file, and the status that it ends with."""
    done = subprocess.run(
        [sys.executable, "-I", str(CHECK), str(file), *map(str, published)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def said(people, published=None):
    return list(chain.walk(people.school, published))


FORGERIES = {
    "a value": (
        "update changes_change set value = '96' where value = '95'",
        "says something else than what was sealed",
    ),
    "who typed it": (
        "update changes_change set number = number + 7 where value = '95'",
        "says something else than what was sealed",
    ),
    "from where it came": (
        "update changes_changeset set ip = '203.0.113.9' where ip = '10.0.1.2'",
        "says something else than what was sealed",
    ),
    "what waits": (
        "update changes_change set value = '56' where value = '55'",
        "says something else than what was sealed",
    ),
    "a decision's reason": (
        "update changes_decision set reason = 'hers' where reason = 'not hers'",
        "Decision 5 says something else",
    ),
    "when it was decided": (
        "update changes_decision set decided_at = decided_at + interval '1 day' where number = 3",
        "Decision 3 and what it stamped",
    ),
    "what was decided": (
        "update changes_change set status = 'approved', position = 1000 where value = '5'",
        "Decision 5 and what it stamped",
    ),
    "the order of approval": (
        "update changes_change set position = position + 1000 where value = '95'",
        "and what it stamped",
    ),
    "an exclusion that is dropped": (
        "delete from changes_exclusion",
        "and what it stamped",
    ),
    "an exclusion that is lifted": (
        "update changes_exclusion set lifted_by_id = null",
        "and what it stamped",
    ),
    "a change that is dropped": (
        "delete from changes_change where value = '5'",
        "and what it stamped",
    ),
    "the head": (
        "update changes_ledgerhead set last_digest = sha256('x')",
        "The head of the ledger is not",
    ),
}


def test_a_ledger_as_it_was_sealed_is_found_whole_by_both(people, tmp_path):
    assert said(people) == []
    status, text = checked(exported(people, tmp_path))
    assert (status, text.count("\n")) == (0, 1), text
    assert "Everything fits." in text
    assert f" {Decision.objects.count()} decisions" in text


@pytest.mark.parametrize("what", FORGERIES)
def test_whatever_is_forged_is_found_out_by_both(people, tmp_path, what):
    statement, words = FORGERIES[what]
    with connection.cursor() as cursor:
        cursor.execute("alter table changes_changeset disable trigger user")
    forge(statement)
    assert words in "\n".join(said(people))
    status, text = checked(exported(people, tmp_path))
    assert status == 1
    assert "do not fit" in text


def test_two_decisions_that_change_places_are_found_out(people, tmp_path):
    forge("update changes_decision set number = 100 where number = 3")
    forge("update changes_decision set number = 3 where number = 4")
    forge("update changes_decision set number = 4 where number = 100")
    assert said(people)[0].startswith("Decision 3 and what it stamped")
    assert checked(exported(people, tmp_path))[0] == 1


def test_a_decision_that_is_dropped_with_all_that_it_stamped_is_found_out(people):
    forge("update changes_change set decision_id = null, status = 'provisional',"
          " position = null, decided_by_id = null where value = '5'")  # fmt: skip
    forge("delete from changes_decision where reason = 'not hers'")
    assert "Decision 5 is missing: after it comes 6." in said(people)


def rewrite_from(people, number):
    """Seal a history anew from a decision on, as whoever can write everything would."""
    before = seal.FIRST
    for link in list(chain.links(people.school)):
        before = seal.digest(before, seal.row_of(link.decision, link.lines))
        if link.decision.number >= number:
            forge("update changes_decision set digest = %s where number = %s", before,
                  link.decision.number)  # fmt: skip
    forge("update changes_ledgerhead set last_digest = %s", before)


def test_a_history_that_was_rewritten_as_a_whole_differs_from_what_was_published(people, tmp_path):
    out = io.StringIO()
    call_command("publish_digest", school=people.school.slug, stdout=out, stderr=io.StringIO())
    published = tmp_path / "published.txt"
    published.write_text(f"Please keep this message.\n\n{out.getvalue()}\n")
    assert checked(exported(people, tmp_path), published)[0] == 0
    call_command("verify_ledger", school="hill", published=str(published), stdout=io.StringIO())

    forge("update changes_decision set decided_at = decided_at + interval '1 day' where number = 3")
    rewrite_from(people, 3)
    assert said(people) == []  # by itself it fits
    (tmp_path / "ledger.jsonl").unlink()
    status, text = checked(exported(people, tmp_path), published)
    assert status == 1
    assert "another digest than the one that was published" in text
    with pytest.raises(CommandError, match="The ledger is not what was sealed"):
        call_command("verify_ledger", school="hill", published=str(published), stdout=out)
    assert "has another digest than the one that was published" in out.getvalue()


def test_a_history_that_was_cut_off_misses_what_was_published(people, tmp_path):
    head = chain.head_of(people.school)
    last = Decision.objects.get(number=head.number)
    before = Decision.objects.get(number=head.number - 1)
    forge("update changes_change set decision_id = null, status = 'provisional',"
          " decided_by_id = null where value = '6'")  # fmt: skip
    forge("delete from changes_decision where id = %s", last.pk)
    forge("update changes_ledgerhead set last_digest = %s, last_decision = %s",
          bytes(before.digest), before.number)  # fmt: skip
    assert said(people) == []
    assert said(people, {head.number: head.digest}) == [
        f"Decision {head.number} was published, and is not here."
    ]


def test_decisions_of_before_commitments_are_covered_in_clear(people):
    forge("update changes_decision set salt = null, commitment = null where number <= 3")
    rewrite_from(people, 1)
    assert said(people) == []
    forge("update changes_decision set reason = 'another' where number = 2")
    assert said(people)[0].startswith("Decision 2 and what it stamped")


def test_what_is_without_its_salt_can_be_neither_shown_nor_doubted_and_the_rest_holds(
    people, tmp_path
):
    forge("update changes_change set value = null, salt = null where value = '95'")
    forge("update changes_decision set reason = '', salt = null where reason = 'not hers'")
    assert said(people) == []
    status, text = checked(exported(people, tmp_path))
    assert status == 0
    assert "2 of them without their salt" in text


def test_a_file_that_was_cut_or_mixed_is_found_out(people, tmp_path):
    file = exported(people, tmp_path)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    assert "The file breaks off." in checked(file)[1]
    file.write_text("".join([lines[0], *lines[2:]]))
    assert "is missing, or another one" in checked(file)[1]
    file.write_text("".join([*lines[:-3], *lines[-2:]]))
    assert "stands where" in checked(file)[1]
    file.write_text("".join([*lines[:2], lines[1], *lines[2:]]))
    assert "is there twice" in checked(file)[1]


def test_the_command_says_how_many_decisions_are_as_sealed(people):
    out = io.StringIO()
    call_command("verify_ledger", school="hill", chain=True, stdout=out)
    assert f"{Decision.objects.count()} decisions as sealed" in out.getvalue()


def test_a_file_that_is_there_is_not_written_over(people, tmp_path):
    file = exported(people, tmp_path)
    with pytest.raises(CommandError, match="is there already"):
        exported(people, tmp_path)
    assert oct(file.stat().st_mode).endswith("600")


def test_the_digest_is_mailed_once_to_the_schools_own_address(people):
    School.objects.filter(pk=people.school.pk).update(email="office@hill.example")
    for _ in range(2):
        out, err = io.StringIO(), io.StringIO()
        call_command("publish_digest", school="hill", stdout=out, stderr=err)
    assert err.getvalue() == ""
    head = chain.head_of(people.school)
    line = f"schoolmarks digest hill {head.number} {head.digest}"
    assert out.getvalue() == f"{line}\n"
    while outbox.send_next(people.school):
        pass
    (sent,) = [each for each in mail.outbox if each.to == ["office@hill.example"]]
    assert f"\n{line}\n" in sent.body
