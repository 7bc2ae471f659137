"""Extensions of the marks window for single classes. Rows are only ever added.

``section_id`` refers to nothing: the row stays when the section vanishes, as its history does.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table grading_extension
    add foreign key (school_id, granted_by_id)
        references accounts_membership (school_id, user_id);
create trigger only_grows before update or delete on grading_extension
    for each row execute function refuse_change_of_history();
create trigger not_truncated before truncate on grading_extension
    for each statement execute function refuse_change_of_history();
create policy of_school on grading_extension using
    (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table grading_extension enable row level security, force row level security;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_row_level_security"),
        ("grading", "0003_hand_in"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Extension",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("section_id", models.UUIDField()),
                ("until", models.DateField()),
                ("granted_at", models.DateTimeField()),
                ("reason", models.TextField()),
                (
                    "granted_by",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
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
                    models.Index(
                        fields=["school", "section_id", "granted_at"], name="extension_section"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("school", "id"), name="extension_school_id"),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="extension_reason"
                    ),
                ],
            },
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
