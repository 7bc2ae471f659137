"""The columns of the files that go out: those of OneRoster 1.1 CSV, in its order, then our own.

The standard lets anybody add columns called `metadata.…`, which others leave aside. Here they say
what the standard has no place for, so that reading the files makes the same school again:

    metadata.blank         names required columns of the row that are blank in truth; the standard
                           wants something in them
    metadata.gradingScale  the scale of a class, as JSON; `null` for a class that has none
    metadata.grade         the mark itself, where `score` cannot say it: a letter, a code
    metadata.orgSourcedId  the school of a session, also of one that no class names yet
    metadata.programme     the name of a pupil's programme; what it takes to finish stays behind,
                           and a school that has none of this name leaves the pupil in none
    the others             the field of the ledger that they are called after

Source of the standard's columns: 1EdTech OneRoster 1.1 CSV.
"""

BLANK = "metadata.blank"
SCALE = "metadata.gradingScale"
GRADE = "metadata.grade"
ORG = "metadata.orgSourcedId"
YEAR_LEVEL = "metadata.yearLevel"
PROGRAMME = "metadata.programme"

OWN = {
    "academicSessions": {
        "metadata.registrationOpens": "registration_opens_on",
        "metadata.marksOpen": "marks_open_on",
        "metadata.marksClose": "marks_close_on",
    },
    "courses": {"metadata.credits": "credits", "metadata.subjectArea": "subject_area"},
    "classes": {
        "metadata.capacity": "capacity",
        "metadata.deliveryMode": "delivery_mode",
        "metadata.schedule": "schedule",
    },
    "users": {
        "metadata.pronouns": "pronouns",
        "metadata.guardianEmail": "guardian_email",
        "metadata.homeGroup": "home_group",
    },
}
"""Columns that hold a field of the ledger as it is, by file."""

_KEY = ("sourcedId", "status", "dateLastModified")

HEADERS: dict[str, tuple[str, ...]] = {
    "orgs": (*_KEY, "name", "type", "identifier", "parentSourcedId"),
    "academicSessions": (
        *(*_KEY, "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear"),
        *(ORG, BLANK, *OWN["academicSessions"]),
    ),
    "courses": (
        *(*_KEY, "schoolYearSourcedId", "title", "courseCode", "grades", "orgSourcedId"),
        *("subjects", "subjectCodes", BLANK, *OWN["courses"]),
    ),
    "classes": (
        *(*_KEY, "title", "grades", "courseSourcedId", "classCode", "classType", "location"),
        *("schoolSourcedId", "termSourcedIds", "subjects", "subjectCodes", "periods"),
        *(BLANK, *OWN["classes"]),
    ),
    "users": (
        *(*_KEY, "enabledUser", "orgSourcedIds", "role", "username", "userIds", "givenName"),
        *("familyName", "middleName", "identifier", "email", "sms", "phone", "agentSourcedIds"),
        *("grades", "password", BLANK, YEAR_LEVEL, PROGRAMME, *OWN["users"]),
    ),
    "demographics": (
        *(*_KEY, "birthDate", "sex", "americanIndianOrAlaskaNative", "asian"),
        *("blackOrAfricanAmerican", "nativeHawaiianOrOtherPacificIslander", "white"),
        *("demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity", "countryOfBirthCode"),
        *("stateOfBirthAbbreviation", "cityOfBirth", "publicSchoolResidenceStatus"),
    ),
    "enrollments": (
        *(*_KEY, "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary"),
        *("beginDate", "endDate"),
    ),
    "categories": (*_KEY, "title"),
    "lineItems": (
        *(*_KEY, "title", "description", "assignDate", "dueDate", "classSourcedId"),
        *("categorySourcedId", "gradingPeriodSourcedId", "resultValueMin", "resultValueMax"),
        SCALE,
    ),
    "results": (
        *(*_KEY, "lineItemSourcedId", "studentSourcedId", "scoreStatus", "score", "scoreDate"),
        *("comment", GRADE),
    ),
}
"""The files in the order in which they point into each other."""

NEVER_SENT = ("classResources", "courseResources", "resources")
"""Files of the standard that are always absent here."""
