"""Comments that are kept for many pupils: a teacher's own, and the school's.

``course_id`` refers to nothing: the row stays when the course vanishes.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table grading_bankcomment
    add foreign key (school_id, owner_id) references accounts_membership (school_id, user_id);
create policy of_school on grading_bankcomment using
    (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table grading_bankcomment enable row level security, force row level security;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_row_level_security"),
        ("grading", "0005_extension_for_instructor"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BankComment",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("text", models.TextField()),
                ("course_id", models.UUIDField(null=True)),
                ("marks", models.TextField(blank=True)),
                (
                    "owner",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "school",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.school",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["school", "owner"], name="bankcomment_owner"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("school", "id"), name="bankcomment_school_id"),
                    models.CheckConstraint(
                        condition=models.Q(("text", ""), _negated=True), name="bankcomment_text"
                    ),
                ],
            },
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
