"""The authoritative tables of marks, the scales they are read by, and what decisions leave behind.

Term, Course, Room, Section, Enrollment and Remark are written by the projector alone. GradingScale
is configuration: immutable, a new version is a new row. GradeCorrection (ADR-006) and
CourseChangeHistory (ADR-009) only grow, and so do the hand-ins of classes, the extensions of their
marks window, and report cards as they were issued. BankComment and Logo are configuration too,
which their owners change.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.ids import IdField
from accounts.models import School
from changes.guard import written_by_projector
from changes.models import Change, Decision, SchoolForeignKey
from students.models import Student


def _unique_per_school(name: str, *fields: str) -> models.UniqueConstraint:
    return models.UniqueConstraint(
        fields=["school", *fields], name=name, deferrable=models.Deferrable.IMMEDIATE
    )


class Term(models.Model):
    """A term. Marks are entered from ``marks_open_on`` to ``marks_close_on``, both included, in
    the school's time zone; without these dates the term is open."""

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    name = models.TextField(blank=True)
    starts_on = models.DateField(null=True)
    ends_on = models.DateField(null=True)
    registration_opens_on = models.DateField(null=True)
    marks_open_on = models.DateField(null=True)
    marks_close_on = models.DateField(null=True)
    source_id = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat

    class Meta:
        triggers = (written_by_projector,)
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="term_school_id"),
            _unique_per_school("term_source_id", "source_id"),
        )

    def __str__(self) -> str:
        return self.name


class Course(models.Model):
    """A course, with its credits."""

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    code = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat
    title = models.TextField(blank=True)
    credits = models.DecimalField(max_digits=6, decimal_places=2, default=0)
    subject_area = models.TextField(blank=True)
    source_id = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat

    class Meta:
        triggers = (written_by_projector,)
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="course_school_id"),
            _unique_per_school("course_code", "code"),
            _unique_per_school("course_source_id", "source_id"),
        )

    def __str__(self) -> str:
        return f"{self.code or ''} {self.title}".strip()


class Room(models.Model):
    """A room."""

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    name = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat
    source_id = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat

    class Meta:
        triggers = (written_by_projector,)
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="room_school_id"),
            _unique_per_school("room_name", "name"),
            _unique_per_school("room_source_id", "source_id"),
        )

    def __str__(self) -> str:
        return self.name or ""


class GradingScale(models.Model):
    """How marks are written: numbers within bounds, or letters; and the codes beside them.

    Immutable: marks were checked against it. A school that marks differently makes a new version.
    """

    class Kind(models.TextChoices):
        NUMERIC = "numeric", "numbers"
        LETTERS = "letters", "letters"

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    name = models.CharField(max_length=80)
    version = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=8, choices=Kind)
    minimum = models.DecimalField(max_digits=8, decimal_places=3, null=True)
    maximum = models.DecimalField(max_digits=8, decimal_places=3, null=True)
    decimals = models.PositiveSmallIntegerField(default=0)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="gradingscale_school_id"),
            models.UniqueConstraint(
                fields=["school", "name", "version"], name="gradingscale_name_version"
            ),
            models.CheckConstraint(
                name="gradingscale_kind",
                condition=Q(
                    kind="numeric",
                    minimum__isnull=False,
                    maximum__isnull=False,
                    maximum__gt=models.F("minimum"),
                )
                | Q(kind="letters", minimum__isnull=True, maximum__isnull=True),
            ),
            models.CheckConstraint(name="gradingscale_decimals", condition=Q(decimals__lte=3)),
        )

    def __str__(self) -> str:
        return self.name if self.version == 1 else f"{self.name} (version {self.version})"


class GradingStep(models.Model):
    """One step of a scale (a letter, or a number from ``minimum`` up), or one of its codes.

    ``points`` are grade points for the GPA; a code, or a step without points, is left out of it.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    scale = SchoolForeignKey(GradingScale, related_name="steps")
    is_code = models.BooleanField(default=False)
    label = models.CharField(max_length=20)
    meaning = models.CharField(max_length=80, blank=True)
    minimum = models.DecimalField(max_digits=8, decimal_places=3, null=True)
    points = models.DecimalField(max_digits=6, decimal_places=3, null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="gradingstep_school_id"),
            models.UniqueConstraint(fields=["school", "scale", "label"], name="gradingstep_label"),
            models.CheckConstraint(
                name="gradingstep_code_has_no_points",
                condition=Q(is_code=False) | Q(points__isnull=True, minimum__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return self.label


class Section(models.Model):
    """A class: a course given in a term, by an instructor, to enrolled pupils."""

    class DeliveryMode(models.TextChoices):
        ROOM = "in person", "in person"
        ONLINE = "online", "online"
        HYBRID = "hybrid", "hybrid"

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    course = SchoolForeignKey(Course, related_name="sections")
    term = SchoolForeignKey(Term, related_name="sections")
    code = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat
    scale = SchoolForeignKey(GradingScale, null=True)
    instructor = SchoolForeignKey(settings.AUTH_USER_MODEL, null=True)
    room = SchoolForeignKey(Room, null=True)
    capacity = models.PositiveIntegerField(null=True)
    delivery_mode = models.TextField(blank=True)
    schedule = models.TextField(blank=True)
    source_id = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat

    class Meta:
        triggers = (written_by_projector,)
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="section_school_id"),
            _unique_per_school("section_code", "term", "code"),
            _unique_per_school("section_source_id", "source_id"),
        )
        indexes = (
            models.Index(fields=["school", "instructor"], name="section_instructor"),
            models.Index(fields=["school", "course"], name="section_course"),
            models.Index(fields=["school", "room"], name="section_room"),
        )

    def __str__(self) -> str:
        return self.code or "section without code"


class Enrollment(models.Model):
    """A pupil in a section. ``grade`` is the one authoritative grade (ADR-006)."""

    class Status(models.TextChoices):
        ENROLLED = "enrolled", "enrolled"
        WAITLISTED = "waitlisted", "waitlisted"
        WITHDRAWN = "withdrawn", "withdrawn"

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    student = SchoolForeignKey(Student, related_name="enrollments")
    section = SchoolForeignKey(Section, related_name="enrollments")
    status = models.TextField(choices=Status, default=Status.ENROLLED)
    grade = models.TextField(null=True)  # noqa: DJ001 - null is no grade, which is not ""
    comment = models.TextField(blank=True)
    source_id = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat

    class Meta:
        triggers = (written_by_projector,)
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="enrollment_school_id"),
            _unique_per_school("enrollment_once", "section", "student"),
            _unique_per_school("enrollment_source_id", "source_id"),
            models.CheckConstraint(
                name="enrollment_status_known",
                condition=Q(status__in=["enrolled", "waitlisted", "withdrawn"]),
            ),
            models.CheckConstraint(name="enrollment_grade_not_empty", condition=~Q(grade="")),
        )
        indexes = (models.Index(fields=["school", "student"], name="enrollment_student"),)

    def __str__(self) -> str:
        return f"{self.student_id} in {self.section_id}"


class Remark(models.Model):
    """What the home-group teacher, or the head, says of a pupil's term, on the report card."""

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    student = SchoolForeignKey(Student, related_name="remarks")
    term = SchoolForeignKey(Term, related_name="remarks")
    text = models.TextField(blank=True)

    class Meta:
        triggers = (written_by_projector,)
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="remark_school_id"),
            _unique_per_school("remark_once", "term", "student"),
        )
        indexes = (models.Index(fields=["school", "student"], name="remark_student"),)

    def __str__(self) -> str:
        return f"{self.student_id} in {self.term_id}"


class GradeCorrection(models.Model):
    """A change of a grade that stands (ADR-006): what it was, what it became, who asked and why,
    who decided and when. What was submitted never changes; the decision is written once.

    ``enrollment`` is no foreign key in the database: the row stays when the enrolment vanishes.
    """

    class Kind(models.TextChoices):
        CORRECTION = "correction", "correction"
        REVERT = "revert", "revert"
        REINSTATE = "reinstate", "reinstatement"

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        APPROVED = "approved", "approved"
        REJECTED = "rejected", "rejected"

    id = IdField()
    school = models.ForeignKey(
        School, on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    enrollment = SchoolForeignKey(Enrollment, related_name="corrections")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.CORRECTION)
    change = SchoolForeignKey(Change, null=True, related_name="corrections")
    old_grade = models.TextField(null=True)  # noqa: DJ001 - null is no grade
    new_grade = models.TextField(null=True)  # noqa: DJ001 - null is no grade
    reason = models.TextField()
    submitted_by = SchoolForeignKey(settings.AUTH_USER_MODEL)
    submitted_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    approved_by = SchoolForeignKey(settings.AUTH_USER_MODEL, null=True)
    approved_at = models.DateTimeField(null=True)
    decision = SchoolForeignKey(Decision, null=True, related_name="corrections")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="gradecorrection_school_id"),
            models.CheckConstraint(
                name="gradecorrection_kind_known",
                condition=Q(kind__in=["correction", "revert", "reinstate"]),
            ),
            models.CheckConstraint(
                name="gradecorrection_second_person",
                condition=~Q(kind="correction")
                | Q(approved_by__isnull=True)
                | ~Q(approved_by=models.F("submitted_by")),
            ),
            models.CheckConstraint(
                name="gradecorrection_decided_whole",
                condition=Q(
                    status="pending",
                    approved_by__isnull=True,
                    approved_at__isnull=True,
                    decision__isnull=True,
                )
                | Q(
                    status__in=["approved", "rejected"],
                    approved_by__isnull=False,
                    approved_at__isnull=False,
                    decision__isnull=False,
                ),
            ),
            models.CheckConstraint(name="gradecorrection_reason", condition=~Q(reason="")),
            models.UniqueConstraint(
                fields=["school", "decision", "enrollment"],
                name="gradecorrection_once_per_decision",
                condition=Q(status="approved"),
            ),
            models.UniqueConstraint(
                fields=["school", "change"],
                name="gradecorrection_one_pending",
                condition=Q(status="pending"),
            ),
        )
        indexes = (
            models.Index(fields=["school", "enrollment"], name="gradecorrection_enrollment"),
            models.Index(
                fields=["school", "change"],
                name="gradecorrection_change",
                condition=Q(change__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.old_grade} -> {self.new_grade} ({self.status})"


class CourseChangeHistory(models.Model):
    """One row per changed field of a section per save (ADR-009). Rows are only ever added.

    ``section`` is no foreign key in the database: the row stays when the section vanishes.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    section = SchoolForeignKey(Section, related_name="history")
    changed_by = SchoolForeignKey(settings.AUTH_USER_MODEL)
    changed_at = models.DateTimeField()
    field_name = models.CharField(max_length=40)
    old_value = models.TextField(null=True)  # noqa: DJ001 - null: nothing stood there
    new_value = models.TextField(null=True)  # noqa: DJ001 - null: nothing stands there
    decision = SchoolForeignKey(Decision, related_name="section_history")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="coursechangehistory_school_id"),
            models.UniqueConstraint(
                fields=["school", "decision", "section", "field_name"],
                name="coursechangehistory_once",
            ),
        )
        indexes = (
            models.Index(
                fields=["school", "field_name", "changed_at"], name="coursechangehistory_field"
            ),
            models.Index(
                fields=["school", "section", "changed_at"], name="coursechangehistory_section"
            ),
        )

    def __str__(self) -> str:
        return f"{self.field_name}: {self.old_value} -> {self.new_value}"


class HandIn(models.Model):
    """Somebody told the office that the marks of a class are complete. Rows are only ever added;
    the latest of a class counts.

    ``section_id`` is no reference in the database: the row stays when the section vanishes.
    ``blank``: how many pupils without a mark were confirmed.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    section_id = models.UUIDField()
    handed_in_by = SchoolForeignKey(settings.AUTH_USER_MODEL)
    handed_in_at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)
    blank = models.PositiveIntegerField()
    idempotency_key = models.CharField(max_length=100, null=True)  # noqa: DJ001 - null: not asked for

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="handin_school_id"),
            models.UniqueConstraint(
                fields=["school", "handed_in_by", "idempotency_key"], name="handin_once"
            ),
        )
        indexes = (
            models.Index(fields=["school", "section_id", "handed_in_at"], name="handin_section"),
        )

    def __str__(self) -> str:
        return f"{self.section_id} at {self.handed_in_at:%Y-%m-%d %H:%M}"


class Extension(models.Model):
    """The office lets marks be entered until a date (included, in the school's time zone), after
    the term's window has closed: those of one class, or those of every class that an instructor
    has in a term. Rows are only ever added; the latest of a class, and of an instructor in a
    term, counts, so that one with an earlier date takes it back.

    ``section_id`` and ``term_id`` are no references in the database: the row stays when the
    section or the term vanishes.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    section_id = models.UUIDField(null=True)
    term_id = models.UUIDField(null=True)
    instructor = SchoolForeignKey(settings.AUTH_USER_MODEL, null=True)
    until = models.DateField()
    granted_by = SchoolForeignKey(settings.AUTH_USER_MODEL)
    granted_at = models.DateTimeField()
    reason = models.TextField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="extension_school_id"),
            models.CheckConstraint(name="extension_reason", condition=~Q(reason="")),
            models.CheckConstraint(
                name="extension_class_or_instructor",
                condition=Q(section_id__isnull=False, term_id__isnull=True, instructor__isnull=True)
                | Q(section_id__isnull=True, term_id__isnull=False, instructor__isnull=False),
            ),
        )
        indexes = (
            models.Index(fields=["school", "section_id", "granted_at"], name="extension_section"),
            models.Index(
                fields=["school", "instructor", "term_id", "granted_at"],
                name="extension_instructor",
            ),
        )

    def __str__(self) -> str:
        return f"{self.section_id or self.instructor_id} until {self.until}"


class NotTheSame(models.Model):
    """Somebody noted that two pupils who look like one are two. Rows are only ever added.

    ``compared``: a digest of the names and dates of birth that were compared; when one of them
    changes the note says nothing any more. ``one_id`` and ``other_id``, the lower one first, are no
    references in the database: a pupil may still wait, and the row stays when one vanishes.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    one_id = models.UUIDField()
    other_id = models.UUIDField()
    compared = models.CharField(max_length=64)
    noted_by = SchoolForeignKey(settings.AUTH_USER_MODEL)
    noted_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="notthesame_school_id"),
            models.UniqueConstraint(
                fields=["school", "one_id", "other_id", "compared"], name="notthesame_pair"
            ),
            models.CheckConstraint(
                name="notthesame_in_order", condition=Q(one_id__lt=models.F("other_id"))
            ),
        )
        indexes = (models.Index(fields=["school", "other_id"], name="notthesame_other"),)

    def __str__(self) -> str:
        return f"{self.one_id} is not {self.other_id}"


class BankComment(models.Model):
    """A text that is kept for the comments of many pupils: ``owner``'s own, or without one the
    school's. ``marks``: those that it is for ("A, B", "70-84"), blank for every mark.

    ``course_id`` is no reference in the database: the row stays when the course vanishes.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    owner = SchoolForeignKey(settings.AUTH_USER_MODEL, null=True)
    text = models.TextField()
    course_id = models.UUIDField(null=True)
    marks = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="bankcomment_school_id"),
            models.CheckConstraint(name="bankcomment_text", condition=~Q(text="")),
        )
        indexes = (models.Index(fields=["school", "owner"], name="bankcomment_owner"),)

    def __str__(self) -> str:
        return self.text if len(self.text) <= 60 else f"{self.text[:59]}…"


class Logo(models.Model):
    """The school's logo, for the head of what it prints. One at most.

    It stands in the database: there is no other place that keeps files, the row-level security
    holds for it, and a backup has it. It is small (``grading.logo`` says how small).
    """

    class Kind(models.TextChoices):
        PNG = "png", "PNG"
        JPEG = "jpg", "JPEG"

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    image = models.BinaryField()
    kind = models.CharField(max_length=3, choices=Kind)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="logo_school_id"),
            models.UniqueConstraint(fields=["school"], name="logo_one"),
            models.CheckConstraint(name="logo_kind_known", condition=Q(kind__in=["png", "jpg"])),
        )

    def __str__(self) -> str:
        return f"logo ({self.kind})"


class CardRun(models.Model):
    """Report cards of a term that the office asked for, which the worker makes portion by portion.

    ``pupil_ids`` are in the order of printing; the first ``handled`` of them are done, each with a
    ``CardOfRun``. What was asked for never changes; a run only goes forward. ``label`` says for
    whom: "class BIO-2". ``with_blanks``: cards that are not ready are printed too, their blanks
    marked. ``reason``: why cards that differ from what was issued are issued anew, amended.

    ``term_id`` is no reference in the database: the row stays when the term vanishes.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    term_id = models.UUIDField()
    label = models.TextField()
    pupil_ids = ArrayField(models.UUIDField())
    with_blanks = models.BooleanField()
    reason = models.TextField(blank=True)
    asked_by = SchoolForeignKey(settings.AUTH_USER_MODEL)
    asked_at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)
    idempotency_key = models.CharField(max_length=100, null=True)  # noqa: DJ001 - null: not asked for
    handled = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="cardrun_school_id"),
            models.UniqueConstraint(
                fields=["school", "asked_by", "idempotency_key"], name="cardrun_once"
            ),
        )
        indexes = (
            models.Index(fields=["school", "term_id", "asked_at"], name="cardrun_term"),
            models.Index(
                fields=["school", "asked_at"],
                name="cardrun_waiting",
                condition=Q(finished_at__isnull=True, cancelled_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return self.label

    @property
    def total(self) -> int:
        return len(self.pupil_ids)

    @property
    def is_under_way(self) -> bool:
        return self.finished_at is None and self.cancelled_at is None


class IssuedCard(models.Model):
    """A report card as it was issued: the file, byte for byte, and what it says. Rows are only
    ever added; the highest ``version`` of a pupil and term is the one that counts.

    ``said`` is what the card says as the layout was given it, without the logo and the date, and
    ``said_digest`` its digest: a card of which another would be said now "differs from what was
    issued". ``blanks``: how many of its places were marked as blank. ``unprintable``: characters
    that no font had. ``reason``: why it replaces the version before it; it is not printed.

    ``pupil_id`` and ``term_id`` are no references in the database: the row stays when the pupil or
    the term vanishes.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    term_id = models.UUIDField()
    pupil_id = models.UUIDField()
    version = models.PositiveIntegerField()
    pupil = models.TextField()
    said = models.JSONField()
    said_digest = models.CharField(max_length=64)
    file = models.BinaryField()
    file_digest = models.CharField(max_length=64)
    blanks = models.PositiveIntegerField()
    unprintable = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    issued_by = SchoolForeignKey(settings.AUTH_USER_MODEL)
    issued_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="issuedcard_school_id"),
            # Of two workers that would issue the same card at once, the second starts over.
            models.UniqueConstraint(
                fields=["school", "term_id", "pupil_id", "version"], name="issuedcard_version"
            ),
            models.CheckConstraint(
                name="issuedcard_amended_because", condition=Q(version=1) | ~Q(reason="")
            ),
        )

    def __str__(self) -> str:
        return f"{self.pupil}, version {self.version}"

    @property
    def unprintable_named(self) -> str:
        """Return the characters that no font had, with their numbers: a browser may have no font
        for them either."""
        return ", ".join(
            f"{each} (U+{ord(each):04X})" if each.isprintable() else f"U+{ord(each):04X}"
            for each in self.unprintable
        )


class CardOfRun(models.Model):
    """What became of one pupil in a run: the card, or in words why there is none. Rows are only
    ever added. ``is_new``: the run issued it; otherwise it had been issued and still holds."""

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    run = SchoolForeignKey(CardRun, related_name="cards")
    place = models.PositiveIntegerField()
    pupil = models.TextField()
    card = SchoolForeignKey(IssuedCard, null=True, related_name="runs")
    is_new = models.BooleanField(default=False)
    because = models.JSONField(default=list)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="cardofrun_school_id"),
            models.UniqueConstraint(fields=["school", "run", "place"], name="cardofrun_once"),
            models.CheckConstraint(
                name="cardofrun_card_or_why",
                condition=Q(card__isnull=False, because=[])
                | (Q(card__isnull=True) & ~Q(because=[])),
            ),
        )

    def __str__(self) -> str:
        return f"{self.pupil}: {'a card' if self.card_id else self.because}"


class CardRelease(models.Model):
    """The office lets the report cards of a term go out to guardians. Rows are only ever added.

    ``term_id`` is no reference in the database: the row stays when the term vanishes.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    term_id = models.UUIDField()
    released_by = SchoolForeignKey(settings.AUTH_USER_MODEL)
    released_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="cardrelease_school_id"),
            models.UniqueConstraint(fields=["school", "term_id"], name="cardrelease_once"),
        )

    def __str__(self) -> str:
        return f"{self.term_id} at {self.released_at:%Y-%m-%d %H:%M}"


class RosterUpload(models.Model):
    """A roster that somebody of the office has uploaded: the worker looks what it would do, and,
    once somebody has confirmed just that, does it. Gone after a day.

    ``shown``: what importing it would do, as the page lists it; null until the worker has looked.
    ``asked_by``: whom it is looked at for, since people see their own open changes (null: who has
    uploaded it).
    ``confirmed_…``, ``ip``, ``user_agent``, ``session``, ``removals``: who has said that it is
    meant, from where, and that it may take much away. ``failure``: why the worker gave up, in
    words. ``attempts``: how often it has begun. ``told``: what was done, once it is imported; the
    file itself is not kept then.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    uploaded_by = SchoolForeignKey(settings.AUTH_USER_MODEL)
    uploaded_at = models.DateTimeField()
    name = models.CharField(max_length=200)
    content = models.BinaryField()
    shown = models.JSONField(null=True)
    asked_by = SchoolForeignKey(settings.AUTH_USER_MODEL, null=True)
    confirmed_by = SchoolForeignKey(settings.AUTH_USER_MODEL, null=True)
    confirmed_at = models.DateTimeField(null=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(blank=True)
    session = models.CharField(max_length=64, blank=True)
    removals = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    failure = models.TextField(blank=True)
    imported_at = models.DateTimeField(null=True)
    told = models.JSONField(default=list)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="rosterupload_school_id"),
            models.CheckConstraint(
                name="rosterupload_shown_then_confirmed",
                condition=Q(confirmed_at=None, confirmed_by=None)
                | Q(confirmed_at__isnull=False, confirmed_by__isnull=False, shown__isnull=False),
            ),
            models.CheckConstraint(
                name="rosterupload_confirmed_then_imported",
                condition=Q(imported_at=None) | Q(confirmed_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_under_way(self) -> bool:
        """Whether the worker has something to do with it."""
        waits = self.shown is None or self.confirmed_at is not None
        return waits and self.imported_at is None and not self.failure
