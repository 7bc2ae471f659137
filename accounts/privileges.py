"""What the serving role may do in the database, granted anew after each migration.

The owner migrates; the serving role owns nothing. Tables that only grow get SELECT and INSERT,
and UPDATE on just the columns that are decided once. Each app names its own in
``append_only`` of its AppConfig: {table: [columns that are set once]}; and in ``never_deleted``
the tables whose rows change and stay for ever.
"""

from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from psycopg import sql


def append_only_tables() -> dict[str, list[str]]:
    """Return every table that only grows, with the columns that are set once."""
    return {
        table: columns
        for config in apps.get_app_configs()
        for table, columns in getattr(config, "append_only", {}).items()
    }


def never_deleted_tables() -> set[str]:
    """Return every table whose rows may change, and are never deleted."""
    return {
        table for config in apps.get_app_configs() for table in getattr(config, "never_deleted", ())
    }


@receiver(post_migrate)
def grant(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """Grant the serving role what it needs, when the role that migrates is another one."""
    if sender.name != "grading":  # once, after the last app that has tables of ours
        return
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute("select current_user")
        owner = cursor.fetchone()[0]
        serving = settings.DATABASES["default"].get("USER") or owner
        if serving == owner:
            return
        role = sql.Identifier(serving)
        cursor.execute(sql.SQL("grant usage on schema public to {}").format(role))
        cursor.execute(sql.SQL("grant usage on all sequences in schema public to {}").format(role))
        # PostgreSQL looks for a table among the temporary ones first: with one of the same name an
        # intruder could show later requests on the connection what does not stand in the table.
        cursor.execute(
            sql.SQL("revoke temporary on database {} from public, {}").format(
                sql.Identifier(connection.settings_dict["NAME"]), role
            )
        )
        append_only, never_deleted = append_only_tables(), never_deleted_tables()
        for table in connection.introspection.table_names(cursor):
            name = sql.Identifier(table)
            cursor.execute(sql.SQL("revoke all on {} from {}").format(name, role))
            if table in append_only or table in READ_ONLY:
                rights = "select" if table in READ_ONLY else "select, insert"
                cursor.execute(sql.SQL("grant " + rights + " on {} to {}").format(name, role))
                for column in append_only.get(table, []):
                    cursor.execute(
                        sql.SQL("grant update ({}) on {} to {}").format(
                            sql.Identifier(column), name, role
                        )
                    )
            else:
                rights = "select, insert, update" + ("" if table in never_deleted else ", delete")
                cursor.execute(sql.SQL("grant " + rights + " on {} to {}").format(name, role))


# The admin's own log would keep pupils' names outside the school's row-level security: no inserts.
READ_ONLY = {"django_migrations", "django_admin_log"}
