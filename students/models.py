"""The authoritative table of pupils, which only the projector writes, and the programmes that they
are in, which are configuration."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.ids import IdField
from accounts.models import School
from changes.guard import written_by_projector
from changes.models import SchoolForeignKey


class Programme(models.Model):
    """What it takes to finish: ``credits`` in all, credits for each subject area in ``areas``
    ({"Languages": "12"}, amounts as text), the ``courses`` that have to be among them, and a
    least average.

    Configuration, which the office changes: nothing is stored that was judged by it, and a pupil's
    audit is made anew each time it is looked at. What was changed when stands in the audit log. Who
    began by other rules keeps them by another programme; one that nobody begins any more is
    retired, never deleted.

    ``courses`` are no references in the database: a course may vanish.
    """

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    name = models.CharField(max_length=80)
    credits = models.DecimalField(max_digits=6, decimal_places=2, default=0)
    areas = models.JSONField(default=dict)
    courses = ArrayField(models.UUIDField(), default=list)
    least_gpa = models.DecimalField(max_digits=7, decimal_places=4, null=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="programme_school_id"),
            models.UniqueConstraint(fields=["school", "name"], name="programme_name"),
            models.CheckConstraint(name="programme_named", condition=~models.Q(name="")),
            models.CheckConstraint(name="programme_credits", condition=models.Q(credits__gte=0)),
        )

    def __str__(self) -> str:
        return self.name


class Student(models.Model):
    """A pupil, as the approved changes add up. ``pronouns``: blank where nobody knows them."""

    class Pronouns(models.TextChoices):
        SHE = "she", "she"
        HE = "he", "he"
        THEY = "they", "they"

    id = IdField()
    school = models.ForeignKey(School, on_delete=models.PROTECT, db_index=False)
    number = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat
    given_names = models.TextField(blank=True)
    family_name = models.TextField(blank=True)
    pronouns = models.TextField(blank=True, choices=Pronouns)
    birth_date = models.DateField(null=True)
    email = models.TextField(blank=True)
    guardian_email = models.TextField(blank=True)
    year_level = models.TextField(blank=True)
    home_group = models.TextField(blank=True)
    programme = SchoolForeignKey(Programme, null=True)
    source_id = models.TextField(null=True)  # noqa: DJ001 - unknown is null, so that it may repeat

    class Meta:
        triggers = (written_by_projector,)
        constraints = (
            models.UniqueConstraint(fields=["school", "id"], name="student_school_id"),
            models.UniqueConstraint(
                fields=["school", "number"],
                name="student_number",
                deferrable=models.Deferrable.IMMEDIATE,
            ),
            models.UniqueConstraint(
                fields=["school", "source_id"],
                name="student_source_id",
                deferrable=models.Deferrable.IMMEDIATE,
            ),
            models.CheckConstraint(
                name="student_pronouns_known",
                condition=models.Q(pronouns__in=["", "she", "he", "they"]),
            ),
        )
        indexes = (
            models.Index(fields=["school", "family_name", "given_names"], name="student_name"),
            models.Index(fields=["school", "programme"], name="student_programme"),
        )

    def __str__(self) -> str:
        return f"{self.family_name}, {self.given_names}".strip(", ")
