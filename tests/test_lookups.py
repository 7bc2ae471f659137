"""Asking for very many rows by their ids."""

import uuid

from django.db import connection
from django.test.utils import CaptureQueriesContext

from changes.models import Change
from tests.cast import Cast


def test_among_finds_what_in_finds(inside: Cast):
    ids = list(Change.objects.order_by("id").values_list("pk", flat=True)[:3])
    wanted = [*ids, uuid.uuid4()]
    found = Change.objects.filter(pk__among=wanted)
    assert ids
    assert set(found) == set(Change.objects.filter(pk__in=wanted))
    assert Change.objects.exclude(pk__among=wanted).count() == Change.objects.count() - len(ids)


def test_among_no_ids_the_database_is_not_asked(inside: Cast):
    with CaptureQueriesContext(connection) as queries:
        assert list(Change.objects.filter(pk__among=[])) == []
    assert len(queries) == 0
    assert Change.objects.exclude(pk__among=[]).count() == Change.objects.count()
