"""OneRoster 1.2: what people are stands in a file of its own, and some columns are called
otherwise."""

import pytest
from django.core.management import CommandError

from accounts.in_school import enter
from accounts.models import School
from grading.models import Enrollment
from grading.oneroster.problems import BadRoster
from grading.oneroster.reader import read_roster
from students.models import Student
from tests.small_roster import SOUND, write
from tests.test_export_oneroster import OFFICE, run

LATER = {
    "manifest.csv": SOUND["manifest.csv"].replace("version,1.1", "version,1.2")
    + "file.roles,bulk\nfile.userProfiles,absent\n",
    "users.csv": """sourcedId,enabledUser,username,givenName,familyName,email,grades,\
userMasterIdentifier,preferredGivenName,pronouns
p1,true,ana,Ana,Moreno,,10,u-1,Anita,she/her/hers
p2,true,bo,Bo,Li,bo@pupil.example,10,,,
p3,true,cy,Cy,Ek,,"9,10",,,xe/xem
a1,true,dora,Dora,Sweet,sweet@school.example,,,,
a2,true,eve,Eve,Hill,hill@school.example,,,,
x1,true,pat,Pat,Parent,,,,,
""",
    "roles.csv": """sourcedId,status,dateLastModified,userSourcedId,roleType,role,\
beginDate,endDate,orgSourcedId,userProfileSourcedId
1,,,p1,primary,student,,,s1,
2,,,p2,primary,Student,,,s1,
3,,,p3,primary,student,,,s2,
4,,,a1,secondary,districtAdministrator,,,d,
5,,,a1,primary,teacher,,,s1,
6,,,a2,primary,teacher,,,s2,
7,,,a2,secondary,ext:choirmaster,,,s1,
8,,,x1,primary,parent,,,s1,
""",
    "lineItems.csv": """sourcedId,title,assignDate,dueDate,classSourcedId,categorySourcedId,\
academicSessionSourcedId,resultValueMin,resultValueMax,schoolSourcedId
l1,Final,2025-12-01,2025-12-19,k1,f,t1,0,100,s1
l2,Final,2025-12-01,2025-12-19,k2,f,t2,,,s2
""",
    "results.csv": """sourcedId,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,\
comment,textScore,classSourcedId,inProgress,incomplete,late,missing
r1,l1,p1,fully graded,80,2025-12-19,Well done,B,k1,false,false,false,false
r2,l1,p2,exempt,,2025-12-19,,,k1,,,,
r3,l2,p3,fully graded,,2026-03-20,,A-,k2,,,true,
""",
    "categories.csv": "sourcedId,title,weight\nf,Final Grade,1.0\n",
}


@pytest.fixture
def deliver(tmp_path):
    return lambda **files: write(
        tmp_path / "later", {**LATER, **{f"{name}.csv": text for name, text in files.items()}}
    )


def refused(path):
    with pytest.raises(BadRoster) as caught:
        read_roster(path)
    return [str(problem) for problem in caught.value.problems]


def test_people_get_role_and_school_from_the_file_of_roles(deliver):
    users = read_roster(deliver()).users
    assert {key: (user.role, user.orgs) for key, user in users.items()} == {
        "p1": ("student", ("s1",)),
        "p2": ("student", ("s1",)),
        "p3": ("student", ("s2",)),
        "a1": ("teacher", ("s1",)),
        "a2": ("teacher", ("s2",)),
        "x1": ("other", ("s1",)),
    }


def test_pronouns_are_taken_where_the_ledger_knows_them(deliver):
    users = read_roster(deliver()).users
    assert [users[key].own for key in ("p1", "p2", "p3")] == [{"pronouns": "she"}, {}, {}]


def test_a_mark_may_be_a_text_and_a_line_item_may_have_no_bounds(deliver):
    roster = read_roster(deliver())
    assert (roster.results["r1"].score, roster.results["r1"].grade) == (80, "")
    assert (roster.results["r3"].score, roster.results["r3"].grade) == (None, "A-")
    assert roster.line_items["l2"].minimum is None
    assert roster.line_items["l1"].grading_period == "t1"


def test_who_has_no_role_is_refused(deliver):
    roles = LATER["roles.csv"].replace("2,,,p2,primary,Student,,,s1,\n", "")
    said = refused(deliver(roles=roles))
    assert said[0] == "users.csv, line 3, column sourcedId: “p2” is not in roles.csv"


def test_a_role_of_nobody_and_one_that_does_not_exist_are_refused_at_their_line(deliver):
    roles = LATER["roles.csv"] + "9,,,p9,primary,student,,,s1,\n10,,,p1,primary,wizard,,,s1,\n"
    said = refused(deliver(roles=roles))
    assert "roles.csv, line 10, column userSourcedId: the person “p9” is not in users.csv" in said
    assert any(each.startswith("roles.csv, line 11, column role: “wizard” is not") for each in said)


def test_columns_of_the_other_version_are_not_silently_taken(deliver):
    items = LATER["lineItems.csv"].replace("academicSessionSourcedId", "gradingPeriodSourcedId")
    (said,) = refused(deliver(lineItems=items))
    assert said.endswith("gradingPeriodSourcedId: OneRoster 1.2 has no such column here")


def test_a_roster_of_this_version_needs_the_roles(deliver):
    manifest = LATER["manifest.csv"].replace("file.roles,bulk", "file.roles,absent")
    said = refused(deliver(manifest=manifest, roles=None))
    assert said[0].endswith("does not say that “roles.csv” is bulk, but a roster needs it")


def test_a_roster_of_this_version_is_imported_and_read_by_the_schools_own_scale(deliver, db):
    with pytest.raises(CommandError) as refusal:
        run("import_oneroster", deliver(), by=OFFICE)
    assert "results.csv, line 4, column score: " in str(refusal.value)  # Lake School has no scale
    results = LATER["results.csv"].replace(",A-,", ",,").replace("p3,fully", "p3,partially")
    said = run("import_oneroster", deliver(results=results), by=OFFICE)
    assert said.count("  new: 1 term, 1 course, 1 class") == 2
    with enter(School.objects.get(source_id="s1")):
        assert dict(Enrollment.objects.values_list("student__source_id", "grade")) == {
            "p1": "80",
            "p2": "EX",
        }
        assert Student.objects.get(source_id="p1").pronouns == "she"
