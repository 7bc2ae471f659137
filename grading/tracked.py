"""What the ledger tracks of terms, courses, rooms, sections and enrolments."""

from accounts.models import Membership
from changes import registry
from students.models import Student

from .mark_rules import MarkRules
from .models import Course, Enrollment, GradingScale, Remark, Room, Section, Term
from .pupil_rules import PupilRules
from .remark_rules import RemarkRules
from .section_rules import SectionRules

COMMENT_LIMIT = 10_000  # characters; the school's policy sets a lower one

registry.add_rules("student", PupilRules())
registry.track(
    Term,
    fields=[
        registry.text("name", "name", visible=True),
        registry.date("starts_on", "first day"),
        registry.date("ends_on", "last day"),
        registry.date("registration_opens_on", "registration opens"),
        registry.date("marks_open_on", "marks open"),
        registry.date("marks_close_on", "marks close"),
        registry.key("source_id", "roster id", longest=255),
    ],
    natural_keys=[("source_id",)],
    title="{name}",
)
registry.track(
    Course,
    fields=[
        registry.key("code", "code"),
        registry.text("title", "title", visible=True),
        registry.amount("credits", "credits", decimals=2, most=1000),
        registry.text("subject_area", "subject area", longest=80),
        registry.key("source_id", "roster id", longest=255),
    ],
    natural_keys=[("code",), ("source_id",)],
    title="{title}",
)
registry.track(
    Room,
    fields=[
        registry.key("name", "name"),
        registry.key("source_id", "roster id", longest=255),
    ],
    natural_keys=[("name",), ("source_id",)],
    title="{name}",
)
registry.track(
    Section,
    fields=[
        registry.reference("course", "course", Course, required=True),
        registry.reference("term", "term", Term, required=True),
        registry.key("code", "code"),
        registry.reference("scale", "grading scale", GradingScale, tracked=False),
        registry.reference("instructor", "instructor", Membership, column="user_id", tracked=False),
        registry.reference("room", "room", Room),
        registry.whole_number("capacity", "capacity"),
        registry.choice("delivery_mode", "delivery mode", Section.DeliveryMode.values),
        registry.text("schedule", "schedule"),
        registry.key("source_id", "roster id", longest=255),
    ],
    natural_keys=[("term", "code"), ("source_id",)],
    title="{code}",
    rules=SectionRules(),
)
registry.track(
    Enrollment,
    label="enrolment",
    fields=[
        registry.reference("student", "pupil", Student, required=True),
        registry.reference("section", "section", Section, required=True),
        registry.choice("status", "status", Enrollment.Status.values, blank="enrolled"),
        registry.text("grade", "mark", longest=20, blank=None),
        registry.text("comment", "comment", longest=COMMENT_LIMIT),
        registry.key("source_id", "roster id", longest=255),
    ],
    natural_keys=[("section", "student"), ("source_id",)],
    title="{student} in {section}",
    rules=MarkRules(),
)
registry.track(
    Remark,
    fields=[
        registry.reference("student", "pupil", Student, required=True),
        registry.reference("term", "term", Term, required=True),
        registry.text("text", "remark", longest=COMMENT_LIMIT),
    ],
    natural_keys=[("term", "student")],
    title="remark on {student}, {term}",
    rules=RemarkRules(),
)
