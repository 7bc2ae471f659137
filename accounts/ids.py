"""Primary keys: UUIDs of version 7, so that rows written together lie together."""

import uuid
from typing import Any

import uuid_utils
from django.db import models
from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """Return a new UUID of version 7. It shows the time of its making: never use it as a secret."""
    return uuid7()


def new_ids(count: int) -> list[str]:
    """Return so many new ids in text, which takes a fraction of the time."""
    return [str(uuid_utils.uuid7()) for _ in range(count)]


class IdField(models.UUIDField):
    """A primary key minted here, not by the database: PostgreSQL 15 has no UUIDs of version 7.

    Migrations see a plain UUIDField, so that they import nothing of ours.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"primary_key": True, "default": new_id, "editable": False, **options})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _path, args, options = super().deconstruct()
        options.pop("default", None)
        return name, "django.db.models.UUIDField", list(args), options
