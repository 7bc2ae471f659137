"""Schools, people, what people are in a school, the audit log and the outbox.

School, User and Membership cross schools: they are small, rarely written, and refer into no
school. AuditLog, Disclosure and OutboxMessage belong to a school and stand behind row-level
security.
"""

import datetime as dt
from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.formats import date_format

from .ids import IdField


class School(models.Model):
    """One school, with its policy. Everything else that the product stores hangs on one.

    ``substitute``: whom an office of one person has named to decide on what needs two people
    (accounts.substitute says when that counts). Who named and ended it when is in the audit log.
    """

    class FirstGrades(models.TextChoices):
        WAIT = "wait", "wait for the office"
        STAND = "stand", "stand at once when the section's own instructor enters them"

    class Remarks(models.TextChoices):
        NONE = "none", "none are printed"
        OPTIONAL = "optional", "printed where there is one"
        REQUIRED = "required", "a card is ready only with one"

    id = IdField()
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80, unique=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    email = models.EmailField(max_length=254, blank=True, verbose_name="the school’s own e-mail")
    source_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    first_grades = models.CharField(
        max_length=8, choices=FirstGrades, default=FirstGrades.WAIT, verbose_name="first grades"
    )
    teachers_restricted = models.BooleanField(
        default=False, verbose_name="teachers see their own sections only"
    )
    immaterial_fields = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        verbose_name="section fields whose change is not told to pupils",
    )
    guardians_copied = models.BooleanField(default=False)
    comment_length = models.PositiveIntegerField(
        default=2000, verbose_name="longest comment, in characters"
    )
    cards_with_average = models.BooleanField(
        default=False, verbose_name="report cards show the average of the term"
    )
    cards_need_comments = models.BooleanField(
        default=True, verbose_name="a report card is ready when every course has a comment"
    )
    cards_remarks = models.CharField(
        max_length=8,
        choices=Remarks,
        default=Remarks.OPTIONAL,
        verbose_name="remarks on report cards",
    )
    gpa_decimals = models.PositiveSmallIntegerField(
        default=2, verbose_name="decimals of a grade point average"
    )

    substitute = models.ForeignKey(
        "Membership",
        on_delete=models.DO_NOTHING,
        null=True,
        editable=False,
        related_name="+",
        db_constraint=False,  # the database has it as (id, substitute): see the migration
        db_index=False,
    )
    substitute_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="school_first_grades_known",
                condition=models.Q(first_grades__in=["wait", "stand"]),
            ),
            models.CheckConstraint(
                name="school_cards_remarks_known",
                condition=models.Q(cards_remarks__in=["none", "optional", "required"]),
            ),
            models.CheckConstraint(
                name="school_substitute_since",
                condition=models.Q(substitute__isnull=True, substitute_since__isnull=True)
                | models.Q(substitute__isnull=False, substitute_since__isnull=False),
            ),
            models.CheckConstraint(
                name="school_gpa_decimals", condition=models.Q(gpa_decimals__lte=4)
            ),
        )

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(
        self, email: str, password: str | None = None, *, name: str = "", **fields: Any
    ) -> "User":
        """Make a user; without a password they cannot sign in until they have set one by mail."""
        user = self.model(email=email.strip().lower(), name=name, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make an operator of the installation. Being operator shows no pupil's data."""
        return self.create_user(email, password, is_operator=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """A person who signs in by e-mail. What they may do stands in their memberships."""

    id = IdField()
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    is_operator = models.BooleanField(default=False)
    joined_at = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="user_email_lower_case", condition=models.Q(email=Lower("email"))
            ),
        )

    def __str__(self) -> str:
        return self.name or self.email

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refuse: what a person did must keep its author. Set ``is_active`` to False instead."""
        raise TypeError("A user is deactivated, never deleted.")

    # Django's admin asks these three. Permission is by membership (accounts.in_school), so they
    # grant nothing.
    @property
    def is_staff(self) -> bool:
        return self.is_active

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return False

    def has_module_perms(self, app_label: str) -> bool:
        return False


class Membership(models.Model):
    """What a person is in a school. Deactivated, never deleted: authors point at it.

    ``decided_by_mail``: how often they are mailed what was decided about their changes.
    ``decided_seen``, ``decided_mailed``: the number of the last decision of which they have said
    that they have seen it, and up to which they were mailed.

    ``frozen_at``: since when the office lets nobody in by this account, whom it may not belong to
    any more; what waits of it is held. Who froze it and unfroze it when is in the audit log.
    """

    class Role(models.TextChoices):
        TEACHER = "teacher", "teacher"
        OFFICE = "office", "office"

    class Mail(models.TextChoices):
        DAILY = "daily", "once a day"
        AT_ONCE = "at once", "at once"
        NEVER = "never", "never"

    id = IdField()
    school = models.ForeignKey(
        School, on_delete=models.PROTECT, related_name="memberships", db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role, default=Role.TEACHER)
    is_active = models.BooleanField(default=True)
    source_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unknown is null, so that it may repeat
    decided_by_mail = models.CharField(max_length=7, choices=Mail, default=Mail.DAILY)
    decided_seen = models.PositiveIntegerField(default=0)
    decided_mailed = models.PositiveIntegerField(default=0)
    frozen_at = models.DateTimeField(null=True)
    frozen_by = models.ForeignKey(
        User,
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,  # the database has it as (school, frozen_by): see the migration
        db_index=False,
    )
    frozen_because = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "user"], name="membership_once"),
            models.UniqueConstraint(fields=["school", "id"], name="membership_school_id"),
            models.UniqueConstraint(fields=["school", "source_id"], name="membership_source_id"),
            models.CheckConstraint(
                name="membership_role_known", condition=models.Q(role__in=["teacher", "office"])
            ),
            models.CheckConstraint(
                name="membership_decided_by_mail_known",
                condition=models.Q(decided_by_mail__in=["daily", "at once", "never"]),
            ),
            models.CheckConstraint(
                name="membership_frozen_by_somebody",
                condition=models.Q(frozen_at__isnull=True, frozen_by__isnull=True)
                | models.Q(frozen_at__isnull=False, frozen_by__isnull=False)
                & ~models.Q(frozen_by=models.F("user")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"

    @property
    def is_office(self) -> bool:
        return self.role == self.Role.OFFICE

    @property
    def is_frozen(self) -> bool:
        return self.frozen_at is not None


class AuditLog(models.Model):
    """Security-relevant events (ADR-009): who, when, from where. Rows are only ever added.

    ``school`` is null for what happened outside every school, such as a wrong e-mail at sign-in.
    """

    class Event(models.TextChoices):
        SIGN_IN = "sign_in", "signed in"
        SIGN_IN_FAILED = "sign_in_failed", "failed to sign in"
        SIGN_OUT = "sign_out", "signed out"
        REFUSAL = "refusal", "was refused"
        DECISION = "decision", "decided"
        EXPORT = "export", "exported"
        VIEW = "view", "looked at"
        PEOPLE = "people", "changed people or policy"
        MAIL = "mail", "sent mail again"

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, null=True, db_index=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True)
    event = models.CharField(max_length=16, choices=Event)
    at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    metadata = models.JSONField(default=dict)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["school", "id"], name="auditlog_school_id"),)
        indexes = (models.Index(fields=["school", "at"], name="auditlog_school_at"),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.event} {self.detail}"


class Disclosure(models.Model):
    """That an event of the audit log disclosed something of a pupil. Rows are only ever added.

    ``pupil_id`` is no reference in the database: the row stays when the pupil vanishes.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    event = models.ForeignKey(
        AuditLog,
        on_delete=models.DO_NOTHING,
        related_name="disclosures",
        db_constraint=False,  # the database has it as (school, event): see the migration
        db_index=False,
    )
    pupil_id = models.UUIDField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="disclosure_school_id"),
            # A pupil's page looks by it.
            models.UniqueConstraint(
                fields=["school", "pupil_id", "event"], name="disclosure_once_per_event"
            ),
        )

    def __str__(self) -> str:
        return f"{self.event_id} of {self.pupil_id}"


class OutboxQuerySet(models.QuerySet["OutboxMessage"]):
    """Adjectives for messages."""

    def waiting(self) -> Self:
        """Messages that the worker sends when they are due."""
        return self.filter(sent_at=None, given_up_at=None, superseded_at=None)

    def given_up(self) -> Self:
        """Messages that have not left, and that nobody tries to send any more."""
        return self.filter(sent_at=None, given_up_at__isnull=False, superseded_at=None)


class OutboxMessage(models.Model):
    """A message that leaves after the transaction that wrote it. ``key`` makes it go out once.

    ``about`` says what it tells of, and ``before`` what its reader was told of that until then, so
    that a later message can take its place while it has not left: it is superseded then, and stays.
    ``attachment`` names a file that goes along, which is read when the message leaves.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    key = models.CharField(max_length=200)
    to = models.EmailField(max_length=254)
    subject = models.CharField(max_length=300)
    body = models.TextField()
    attachment = models.CharField(max_length=200, blank=True)
    about = models.CharField(max_length=200, blank=True)
    before = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    superseded_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    objects = OutboxQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="outboxmessage_school_id"),
            models.UniqueConstraint(fields=["school", "key"], name="outboxmessage_once"),
        )
        indexes = (
            models.Index(
                fields=["school", "due_at"],
                name="outboxmessage_due",
                condition=models.Q(
                    sent_at__isnull=True, given_up_at__isnull=True, superseded_at__isnull=True
                ),
            ),
            models.Index(
                fields=["school", "about"],
                name="outboxmessage_not_left",
                condition=models.Q(sent_at__isnull=True, superseded_at__isnull=True)
                & ~models.Q(about=""),
            ),
        )

    def __str__(self) -> str:
        return f"{self.to}: {self.subject}"

    @property
    def is_given_up(self) -> bool:
        return self.given_up_at is not None and self.superseded_at is None

    @property
    def state(self) -> str:
        """Return how far the message has come, in words."""
        if self.sent_at:
            return f"sent {_in_words(self.sent_at)}"
        if self.superseded_at:
            return f"superseded {_in_words(self.superseded_at)}, before it was sent"
        if self.given_up_at:
            return f"given up {_in_words(self.given_up_at)}"
        return f"tried again {_in_words(self.due_at)}" if self.attempts else "waits to be sent"


def _in_words(instant: dt.datetime) -> str:
    return date_format(timezone.localtime(instant), "j M Y, H:i")
