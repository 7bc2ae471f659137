"""The ledger: what was proposed, what was decided, what is excluded. Rows are only ever added.

References between tables of a school are composite foreign keys (school, id), made by SQL in the
migration; hence ``db_constraint=False``. ``ordering`` is never set: the order of decisions is
``position``, and every query says so itself.
"""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts.ids import IdField
from accounts.models import School

from . import lookups  # noqa: F401 - registers them


class SchoolForeignKey(models.ForeignKey):
    """A reference to a row of the same school; the database has it as (school_id, this)."""

    def __init__(self, to: Any, **options: Any) -> None:
        options["on_delete"] = models.DO_NOTHING
        options["db_constraint"] = False
        options.setdefault("related_name", "+")
        options.setdefault("db_index", False)
        super().__init__(to, **options)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """Migrations see a plain ForeignKey, so that they import nothing of ours."""
        name, _path, args, options = super().deconstruct()
        return name, "django.db.models.ForeignKey", list(args), options


class ChangeSet(models.Model):
    """The changes of one save by one person."""

    class Source(models.TextChoices):
        BROWSER = "browser", "browser"
        IMPORT = "import", "import"
        ADMIN = "admin", "office"
        COMMAND = "command", "command"

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    initiator = SchoolForeignKey(settings.AUTH_USER_MODEL)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(blank=True)
    session = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField()
    source = models.CharField(max_length=8, choices=Source)
    reason = models.TextField(blank=True)
    idempotency_key = models.CharField(max_length=100, null=True)  # noqa: DJ001 - null: not asked for

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="changeset_school_id"),
            models.UniqueConstraint(
                fields=["school", "id", "initiator"], name="changeset_school_id_initiator"
            ),
            models.UniqueConstraint(
                fields=["school", "initiator", "idempotency_key"], name="changeset_once"
            ),
            models.CheckConstraint(
                name="changeset_source_known",
                condition=Q(source__in=["browser", "import", "admin", "command"]),
            ),
        )
        indexes = (
            models.Index(fields=["school", "initiator", "received_at"], name="changeset_window"),
        )

    def __str__(self) -> str:
        return f"{self.received_at:%Y-%m-%d %H:%M} {self.initiator}"

    @property
    def way(self) -> str:
        """How it came, in words."""
        return _WAYS[self.Source(self.source)]


_WAYS = {
    ChangeSet.Source.BROWSER: "typed on a page",
    ChangeSet.Source.IMPORT: "imported",
    ChangeSet.Source.ADMIN: "entered by the office",
    ChangeSet.Source.COMMAND: "made by a command",
}


class ChangeQuerySet(models.QuerySet["Change"]):
    """Adjectives for changes. Each filters by school through row-level security."""

    def not_excluded(self) -> Self:
        """Changes that no exclusion in force covers."""
        return self.exclude(Exists(exclusions_in_force()))

    def effective(self) -> Self:
        """Approved and not excluded."""
        return self.filter(status=Change.Status.APPROVED).not_excluded()

    def open(self) -> Self:
        """Provisional values that stand as their author's last word on the cell.

        The last word is looked up by the index of numbers, one by one. As an anti-join of changes
        with changes it took a scan of all the school's, and without good statistics a loop over
        both sides.
        """
        return self.filter(
            status=Change.Status.PROVISIONAL,
            kind=Change.Kind.VALUE,
            number=models.Subquery(last_word().values("number")),
        )

    def proposed_by(self, user_id: Any) -> Self:
        """Changes of one author."""
        return self.filter(author_id=user_id)

    def of(self, entity_type: str, *entity_ids: Any) -> Self:
        """Changes to cells of these entities."""
        return self.filter(entity_type=entity_type, entity_id__in=entity_ids)


def exclusions_in_force() -> models.QuerySet["Exclusion"]:
    """Return, for a subquery of changes, the exclusions of each that are in force."""
    return Exclusion.objects.filter(
        school_id=OuterRef("school_id"), change_id=OuterRef("pk"), lifted_by__isnull=True
    )


def typed_later() -> ChangeQuerySet:
    """Return, for a subquery of changes, what the author of each put in its place, withdrawals too:
    the same cell, a higher number, not excluded."""
    return Change.objects.filter(
        school_id=OuterRef("school_id"),
        author_id=OuterRef("author_id"),
        entity_id=OuterRef("entity_id"),
        field=OuterRef("field"),
        number__gt=OuterRef("number"),
    ).not_excluded()


def last_word() -> ChangeQuerySet:
    """Return, for a subquery of changes, what the author of each said last of the cell: the highest
    number that is not excluded."""
    said = Change.objects.filter(
        school_id=OuterRef("school_id"),
        author_id=OuterRef("author_id"),
        entity_id=OuterRef("entity_id"),
        field=OuterRef("field"),
    )
    return said.not_excluded().order_by("-number")[:1]


class Change(models.Model):
    """A proposed value for one cell, or its author's withdrawal of what they proposed there.

    Its facts never change; ``status``, ``position``, ``decision`` and ``decided_by`` are set once.
    Without a ``salt``: its value was erased, as the law may want it (see ``erase_person``).
    """

    class Kind(models.TextChoices):
        VALUE = "value", "value"
        WITHDRAW = "withdraw", "withdrawal"

    class Status(models.TextChoices):
        PROVISIONAL = "provisional", "awaiting approval"
        APPROVED = "approved", "approved"
        DECLINED = "declined", "declined"

    id = IdField()
    school = models.ForeignKey(
        School, on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    change_set = SchoolForeignKey(ChangeSet, related_name="changes")
    author = SchoolForeignKey(settings.AUTH_USER_MODEL)
    entity_type = models.CharField(max_length=20)
    entity_id = models.UUIDField()
    field = models.CharField(max_length=40)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.VALUE)
    value = models.TextField(null=True)  # noqa: DJ001 - null is cleared, and differs from untouched
    refers_to = models.UUIDField(null=True)
    number = models.PositiveIntegerField()
    base_change = SchoolForeignKey("Change", null=True)
    old_value = models.TextField(null=True)  # noqa: DJ001 - null: nothing stood there
    reopens = SchoolForeignKey("Change", null=True)
    two_people = models.BooleanField(default=False)
    salt = models.BinaryField(max_length=16, null=True)
    commitment = models.BinaryField(max_length=32)
    status = models.CharField(max_length=11, choices=Status, default=Status.PROVISIONAL)
    position = models.BigIntegerField(null=True)
    decision = SchoolForeignKey("Decision", null=True, related_name="changes")
    decided_by = SchoolForeignKey(settings.AUTH_USER_MODEL, null=True)

    objects = ChangeQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="change_school_id"),
            models.UniqueConstraint(
                fields=["school", "author", "entity_id", "field", "number"], name="change_number"
            ),
            models.UniqueConstraint(
                fields=["school", "position"],
                name="change_position",
                condition=Q(position__isnull=False),
            ),
            models.CheckConstraint(
                name="change_kind_known", condition=Q(kind__in=["value", "withdraw"])
            ),
            models.CheckConstraint(
                name="change_status_known",
                condition=Q(status__in=["provisional", "approved", "declined"]),
            ),
            models.CheckConstraint(name="change_number_from_one", condition=Q(number__gte=1)),
            models.CheckConstraint(
                name="change_position_when_approved",
                condition=Q(status="approved", position__isnull=False)
                | (~Q(status="approved") & Q(position__isnull=True)),
            ),
            models.CheckConstraint(
                name="change_decided_unless_provisional",
                condition=Q(status="provisional", decision__isnull=True, decided_by__isnull=True)
                | (~Q(status="provisional") & Q(decision__isnull=False)),
            ),
            models.CheckConstraint(
                name="change_withdrawal_is_not_decided",
                condition=Q(kind="value")
                | Q(kind="withdraw", status="provisional", value__isnull=True),
            ),
            models.CheckConstraint(
                # A second person, always: neither the author nor a rule approves what needs two.
                name="change_two_people",
                condition=Q(two_people=False)
                | ~Q(status="approved")
                | (Q(decided_by__isnull=False) & ~Q(decided_by=models.F("author"))),
            ),
        )
        indexes = (
            models.Index(
                fields=["school", "entity_id", "field", "-position"],
                name="change_effective",
                condition=Q(status="approved"),
            ),
            models.Index(
                fields=["school", "author", "entity_id"],
                name="change_waiting",
                condition=Q(status="provisional"),
            ),
            models.Index(
                fields=["school", "refers_to"],
                name="change_refers_to",
                condition=Q(refers_to__isnull=False),
            ),
            models.Index(fields=["school", "change_set"], name="change_of_set"),
            models.Index(
                fields=["school", "decision"],
                name="change_of_decision",
                condition=Q(decision__isnull=False),
            ),
            models.Index(
                fields=["school", "author", "decision"],
                name="change_decided_for_author",
                condition=Q(decided_by__isnull=False) & ~Q(decided_by=models.F("author")),
            ),
            models.Index(
                fields=["school", "base_change"],
                name="change_base",
                condition=Q(base_change__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.entity_type}.{self.field} = {self.value!r} ({self.status})"


class Decision(models.Model):
    """One act of the office, or of a rule of the school's policy. Inserted whole, never changed.

    Decisions of before there was one have no ``commitment``; one without a ``salt`` was erased.
    """

    class Kind(models.TextChoices):
        APPROVE = "approve", "approved"
        DECLINE = "decline", "declined"
        REOPEN = "reopen", "reopened"
        DIRECT = "direct", "edited directly"
        IMPORT = "import", "imported"
        MERGE = "merge", "merged"
        REVERT = "revert", "reverted"
        REINSTATE = "reinstate", "reinstated"
        ERASE = "erase", "erased"

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    decided_by = SchoolForeignKey(settings.AUTH_USER_MODEL, null=True)
    rule = models.CharField(max_length=60, blank=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(blank=True)
    session = models.CharField(max_length=64, blank=True)
    decided_at = models.DateTimeField()
    reason = models.TextField(blank=True)
    criteria = models.JSONField(default=dict)
    undoes = SchoolForeignKey("Decision", null=True)
    idempotency_key = models.CharField(max_length=100, null=True)  # noqa: DJ001 - null: not asked for
    salt = models.BinaryField(max_length=16, null=True)
    commitment = models.BinaryField(max_length=32, null=True)
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="decision_school_id"),
            models.UniqueConstraint(fields=["school", "number"], name="decision_number"),
            models.UniqueConstraint(
                fields=["school", "decided_by", "idempotency_key"], name="decision_once"
            ),
            models.CheckConstraint(
                name="decision_kind_known",
                condition=Q(
                    kind__in=[
                        "approve",
                        "decline",
                        "reopen",
                        "direct",
                        "import",
                        "merge",
                        "revert",
                        "reinstate",
                        "erase",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="decision_by_person_or_rule",
                condition=Q(decided_by__isnull=False, rule="")
                | (Q(decided_by__isnull=True) & ~Q(rule="")),
            ),
        )
        indexes = (
            models.Index(fields=["school", "decided_by", "decided_at"], name="decision_by_at"),
        )

    def __str__(self) -> str:
        return f"Decision {self.number}: {self.get_kind_display()}"


class Exclusion(models.Model):
    """A change does not count while an exclusion of it is in force: ``lifted_by`` is null."""

    id = IdField()
    school = models.ForeignKey(
        School, on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    change = SchoolForeignKey(Change, related_name="exclusions")
    decision = SchoolForeignKey(Decision, related_name="exclusions")
    lifted_by = SchoolForeignKey(Decision, null=True, related_name="lifted")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="exclusion_school_id"),
            models.UniqueConstraint(
                fields=["school", "change", "decision"], name="exclusion_once_per_decision"
            ),
        )
        indexes = (
            models.Index(
                fields=["school", "change"],
                name="exclusion_in_force",
                condition=Q(lifted_by__isnull=True),
            ),
            models.Index(fields=["school", "decision"], name="exclusion_of_decision"),
        )

    def __str__(self) -> str:
        return f"{self.change_id} excluded by {self.decision_id}"


class LedgerHead(models.Model):
    """One row per school; locking it is the school's lock."""

    school = models.OneToOneField(School, on_delete=models.PROTECT, primary_key=True)
    last_position = models.BigIntegerField(default=0)
    last_decision = models.PositiveIntegerField(default=0)
    last_digest = models.BinaryField(max_length=32, default=bytes(32))

    objects: ClassVar[models.Manager["LedgerHead"]]

    def __str__(self) -> str:
        return f"{self.school} at {self.last_position}"
