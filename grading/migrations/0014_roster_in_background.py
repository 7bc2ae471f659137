"""A roster is looked at and imported by the worker: what it has found, and who has confirmed it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table grading_rosterupload
    add foreign key (school_id, confirmed_by_id)
        references accounts_membership (school_id, user_id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("grading", "0012_corrections_checked_once"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("rosterupload", "shown", models.JSONField(null=True)),
        migrations.AddField(
            "rosterupload",
            "confirmed_by",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField("rosterupload", "confirmed_at", models.DateTimeField(null=True)),
        migrations.AddField("rosterupload", "ip", models.GenericIPAddressField(null=True)),
        migrations.AddField("rosterupload", "user_agent", models.TextField(blank=True)),
        migrations.AddField("rosterupload", "session", models.CharField(blank=True, max_length=64)),
        migrations.AddField("rosterupload", "removals", models.BooleanField(default=False)),
        migrations.AddField(
            "rosterupload", "attempts", models.PositiveSmallIntegerField(default=0)
        ),
        migrations.AddField("rosterupload", "failure", models.TextField(blank=True)),
        migrations.AddField("rosterupload", "imported_at", models.DateTimeField(null=True)),
        migrations.AddField("rosterupload", "told", models.JSONField(default=list)),
        migrations.AddConstraint(
            "rosterupload",
            models.CheckConstraint(
                condition=models.Q(("confirmed_at", None), ("confirmed_by", None))
                | models.Q(
                    ("confirmed_at__isnull", False),
                    ("confirmed_by__isnull", False),
                    ("shown__isnull", False),
                ),
                name="rosterupload_shown_then_confirmed",
            ),
        ),
        migrations.AddConstraint(
            "rosterupload",
            models.CheckConstraint(
                condition=models.Q(
                    ("imported_at", None), ("confirmed_at__isnull", False), _connector="OR"
                ),
                name="rosterupload_confirmed_then_imported",
            ),
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
