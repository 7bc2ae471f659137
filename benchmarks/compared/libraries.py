"""How each library is used: to save, to save many, and to take back what somebody did."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pghistory
import reversion
from auditlog.context import set_actor
from auditlog.models import LogEntry
from django.db import transaction
from reversion.models import Version
from simple_history.utils import bulk_update_with_history

from . import models

BATCH = 1000


class Plain:
    """Django alone. It knows no history, so there is nothing to take back."""

    name = "plain Django"
    package = "django"
    model: Any = models.PlainMark
    many = "bulk_update"
    reverting = ""

    @contextlib.contextmanager
    def acting(self, user: Any) -> Iterator[None]:
        """Save in one transaction, in somebody's name."""
        with transaction.atomic():
            yield

    def save(self, mark: Any, user: Any) -> None:
        """Save one row that was changed."""
        mark.save()

    def save_many(self, marks: Sequence[Any], field: str, user: Any) -> None:
        """Save many rows in the best way that the library has."""
        self.model.objects.bulk_update(marks, [field], batch_size=BATCH)

    def revert(self, user: Any) -> None:
        """Take back all that a user did, newest first, by the library's own means."""
        raise NotImplementedError


class SimpleHistory(Plain):
    name = "django-simple-history"
    package = "django-simple-history"
    model = models.SimpleHistoryMark
    many = "bulk_update_with_history"
    reverting = "`record.prev_record.instance.save()` for each historical record of the account"

    def save(self, mark: Any, user: Any) -> None:
        mark._history_user = user
        mark.save()

    def save_many(self, marks: Sequence[Any], field: str, user: Any) -> None:
        bulk_update_with_history(marks, self.model, [field], batch_size=BATCH, default_user=user)

    def revert(self, user: Any) -> None:
        records = self.model.history.filter(history_user=user).order_by("-history_id")
        for record in records:
            record.prev_record.instance.save()


class Reversion(Plain):
    name = "django-reversion"
    package = "django-reversion"
    model = models.ReversionMark
    many = "a loop of saves in one revision"
    reverting = "`revert()` of the version before each of the account’s revisions"

    @contextlib.contextmanager
    def acting(self, user: Any) -> Iterator[None]:
        with reversion.create_revision(atomic=True):
            reversion.set_user(user)
            yield

    def save_many(self, marks: Sequence[Any], field: str, user: Any) -> None:
        for mark in marks:
            mark.save()

    def revert(self, user: Any) -> None:
        for version in Version.objects.filter(revision__user=user).order_by("-pk"):
            of_object = Version.objects.get_for_object_reference(self.model, version.object_id)
            of_object.filter(pk__lt=version.pk).order_by("-pk")[0].revert()


class Pghistory(Plain):
    name = "django-pghistory"
    package = "django-pghistory"
    model = models.PghistoryMark
    many = "bulk_update, by triggers"
    reverting = "`revert()` of the event before each event in the account’s context"

    @contextlib.contextmanager
    def acting(self, user: Any) -> Iterator[None]:
        with transaction.atomic(), pghistory.context(user=user.pk):
            yield

    def revert(self, user: Any) -> None:
        events: Any = self.model._meta.get_field("events").related_model
        for event in events.objects.filter(pgh_context__metadata__user=user.pk).order_by("-pgh_id"):
            before = events.objects.filter(pgh_obj_id=event.pgh_obj_id, pgh_id__lt=event.pgh_id)
            before.order_by("-pgh_id")[0].revert()


class Auditlog(Plain):
    name = "django-auditlog"
    package = "django-auditlog"
    model = models.AuditlogMark
    many = "a loop of saves"
    reverting = "the old values of `changes_dict` of each of the account’s entries, saved again"

    @contextlib.contextmanager
    def acting(self, user: Any) -> Iterator[None]:
        with transaction.atomic(), set_actor(user):
            yield

    def save_many(self, marks: Sequence[Any], field: str, user: Any) -> None:
        for mark in marks:
            mark.save()

    def revert(self, user: Any) -> None:
        for entry in LogEntry.objects.filter(actor=user).order_by("-pk"):
            mark = self.model.objects.get(pk=entry.object_pk)
            for field, (old, _new) in entry.changes_dict.items():
                setattr(mark, field, old)
            mark.save()


EVERY = (Plain(), SimpleHistory(), Reversion(), Pghistory(), Auditlog())
