"""System checks about who serves."""

from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(deploy=True)
def served_by_a_role_that_owns_nothing(**kwargs: Any) -> list[checks.CheckMessage]:
    """Warn when the role that serves also owns the tables (DATABASE_URL alone is set)."""
    default, owner = settings.DATABASES["default"], settings.DATABASES.get("owner")
    if owner is not None and owner.get("USER") != default.get("USER"):
        return []
    return [
        checks.Warning(
            "The role that serves is the role that owns the tables.",
            hint=(
                "With DATABASE_URL alone an intruder in the application could switch off triggers "
                "and row-level security, and so rewrite the ledger or read another school. Set "
                "DATABASE_OWNER_URL to a role that owns the tables, and DATABASE_URL to one that "
                "owns nothing."
            ),
            id="accounts.W001",
        )
    ]
