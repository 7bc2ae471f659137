"""The authoritative table of pupils. Only the projector writes it."""

from django.db import models

from accounts.ids import IdField
from accounts.models import School
from changes.guard import written_by_projector


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
        )

    def __str__(self) -> str:
        return f"{self.family_name}, {self.given_names}".strip(", ")
