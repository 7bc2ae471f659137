"""A row of marks, five times: with nothing, and under each library."""

from typing import ClassVar

import pghistory
import reversion
from auditlog.registry import auditlog
from django.db import models
from simple_history.models import HistoricalRecords


class Mark(models.Model):
    """What an enrolment is in schoolmarks."""

    school_id = models.UUIDField()
    section_id = models.UUIDField()
    student_id = models.UUIDField()
    status = models.TextField(default="enrolled")
    grade = models.TextField(null=True)  # noqa: DJ001 - as in schoolmarks
    comment = models.TextField(blank=True)
    number = models.PositiveIntegerField()

    objects: ClassVar[models.Manager["Mark"]]

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.number)


class PlainMark(Mark):
    class Meta:
        indexes = (models.Index(fields=["school_id", "section_id", "student_id"]),)


class SimpleHistoryMark(Mark):
    history = HistoricalRecords()

    class Meta:
        indexes = (models.Index(fields=["school_id", "section_id", "student_id"]),)


@reversion.register()
class ReversionMark(Mark):
    class Meta:
        indexes = (models.Index(fields=["school_id", "section_id", "student_id"]),)


@pghistory.track()
class PghistoryMark(Mark):
    class Meta:
        indexes = (models.Index(fields=["school_id", "section_id", "student_id"]),)


class AuditlogMark(Mark):
    class Meta:
        indexes = (models.Index(fields=["school_id", "section_id", "student_id"]),)


auditlog.register(AuditlogMark)
