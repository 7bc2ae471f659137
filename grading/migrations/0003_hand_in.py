"""Classes that were handed in: who, when, from where. Rows are only ever added.

``section_id`` refers to nothing: the row stays when the section vanishes, as its history does.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table grading_handin
    add foreign key (school_id, handed_in_by_id)
        references accounts_membership (school_id, user_id);
create trigger only_grows before update or delete on grading_handin
    for each row execute function refuse_change_of_history();
create trigger not_truncated before truncate on grading_handin
    for each statement execute function refuse_change_of_history();
create policy of_school on grading_handin using
    (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table grading_handin enable row level security, force row level security;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_row_level_security"),
        ("grading", "0002_law"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="HandIn",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("section_id", models.UUIDField()),
                ("handed_in_at", models.DateTimeField()),
                ("ip", models.GenericIPAddressField(null=True)),
                ("blank", models.PositiveIntegerField()),
                ("idempotency_key", models.CharField(max_length=100, null=True)),
                (
                    "handed_in_by",
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
                        fields=["school", "section_id", "handed_in_at"], name="handin_section"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("school", "id"), name="handin_school_id"),
                    models.UniqueConstraint(
                        fields=("school", "handed_in_by", "idempotency_key"), name="handin_once"
                    ),
                ],
            },
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
