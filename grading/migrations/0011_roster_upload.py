"""Rosters that were uploaded and wait for the office to say that they are meant."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table grading_rosterupload
    add foreign key (school_id, uploaded_by_id)
        references accounts_membership (school_id, user_id);
create policy of_school on grading_rosterupload using
    (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table grading_rosterupload enable row level security, force row level security;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_row_level_security"),
        ("grading", "0009_not_the_same"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RosterUpload",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("uploaded_at", models.DateTimeField()),
                ("name", models.CharField(max_length=200)),
                ("content", models.BinaryField()),
                (
                    "school",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.school",
                    ),
                ),
                (
                    "uploaded_by",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("school", "id"), name="rosterupload_school_id"),
                ],
            },
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
