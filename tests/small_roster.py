"""A small OneRoster delivery that is sound, and ways to spoil it.

Two schools of a district, a class each with its teacher, three pupils, three results.
"""

import zipfile
from pathlib import Path

Files = dict[str, str | bytes | None]

SOUND = {
    "manifest.csv": """propertyName,value
manifest.version,1.0
oneroster.version,1.1
file.academicSessions,bulk
file.categories,bulk
file.classes,bulk
file.courses,bulk
file.demographics,absent
file.enrollments,bulk
file.lineItems,bulk
file.orgs,bulk
file.results,bulk
file.users,bulk
""",
    "orgs.csv": """sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId
d,,,District,district,,
s1,,,Hill School,school,,d
s2,,,Lake School,school,,d
""",
    "academicSessions.csv": (
        "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n"
        "y,,,Year,schoolYear,2025-09-01,2026-07-31,,2026\n"
        "t1,,,Autumn,term,2025-09-01,2025-12-19,y,2026\n"
        "t2,,,Spring,term,2026-01-05,2026-03-27,y,2026\n"
    ),
    "courses.csv": """sourcedId,title,courseCode,orgSourcedId
c1,Biology,BIO,s1
c2,Music,MUS,d
""",
    "classes.csv": """sourcedId,title,classCode,courseSourcedId,schoolSourcedId,termSourcedIds
k1,Biology 2,BIO-2,c1,s1,"y,t1"
k2,Music 1,MUS-1,c2,s2,t2
""",
    "users.csv": """sourcedId,enabledUser,orgSourcedIds,role,givenName,familyName,email,grades
p1,true,"d,s1",student,Ana,Moreno,,10
p2,true,s1,student,Bo,Li,bo@pupil.example,10
p3,true,s2,student,Cy,Ek,,"9,10"
a1,true,s1,teacher,Dora,Sweet,sweet@school.example,
a2,true,s2,teacher,Eve,Hill,hill@school.example,
""",
    "enrollments.csv": """sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,primary
e1,k1,s1,p1,student,
e2,k1,s1,p2,student,
e3,k1,s1,a1,teacher,true
e4,k2,s2,p3,student,
e5,k2,s2,a2,teacher,true
""",
    "categories.csv": "sourcedId,title\nf,Final Grade\nq,Quizzes\n",
    "lineItems.csv": (
        "sourcedId,title,classSourcedId,categorySourcedId,gradingPeriodSourcedId,"
        "resultValueMin,resultValueMax\n"
        "l1,Final,k1,f,t1,0,100\n"
        "l2,Final,k2,f,t2,0,10.5\n"
    ),
    "results.csv": (
        "sourcedId,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment\n"
        "r1,l1,p1,fully graded,80,2025-12-19,Well done\n"
        "r2,l1,p2,exempt,,,\n"
        "r3,l2,p3,fully graded,7.25,2026-03-20,\n"
    ),
}

NUMBERED = """sourcedId,enabledUser,orgSourcedIds,role,givenName,familyName,identifier,email
p1,true,s1,student,Ana,Moreno,101,
p2,true,s1,student,Bo,Li,102,
p3,true,s2,student,Cy,Ek,101,
a1,true,s1,teacher,Dora,Sweet,,sweet@school.example
a2,true,s2,teacher,Eve,Hill,,hill@school.example
"""
"""The pupils of the small delivery with numbers, which each school gives for itself."""


def write(folder: Path, files: Files | None = None) -> Path:
    """Write the sound delivery; named files replaced, added, or left out when None."""
    folder.mkdir(exist_ok=True)
    for name, content in {**SOUND, **(files or {})}.items():
        (folder / name).unlink(missing_ok=True)
        if content is not None:
            data = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(data)
    return folder


def plus(name: str, *lines: str) -> Files:
    """The sound file `name` with more lines below."""
    return {name: SOUND[name] + "".join(f"{line}\n" for line in lines)}


def instead(name: str, old: str, new: str) -> Files:
    """The sound file `name` with one piece of text replaced."""
    assert SOUND[name].count(old) == 1
    return {name: SOUND[name].replace(old, new)}


def zipped(path: Path, files: dict[str, str], folder: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return path
