"""``filter(pk__among=ids)``: what ``pk__in`` says, for very many ids."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import ForeignKey, Lookup, UUIDField


def array(ids: Iterable[uuid.UUID]) -> str:
    """Return ids as PostgreSQL writes an array of them, for ``%s::uuid[]``. (A list of UUIDs is
    written one by one, each by what was looked up for its type: of 5,000 that is a quarter of a
    second.)"""
    return "{" + b"".join([each.int.to_bytes(16) for each in ids]).hex(",", 16) + "}"


def written(elements: Iterable[str]) -> str:
    """Return an array of what is written already, as ids that were read as text."""
    return "{" + ",".join(elements) + "}"


@UUIDField.register_lookup
@ForeignKey.register_lookup
class Among(Lookup):
    """``column = any(array)``, with one parameter. Django writes ``in`` with a parameter for each
    value, and prepares and quotes each by itself: for 52,000 ids that takes seconds, and the
    database reads the same list."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        if not self.rhs:
            raise EmptyResultSet  # as ``in`` does: nothing is asked of the database
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = any(%s::uuid[])", (*parameters, array(self.rhs))
