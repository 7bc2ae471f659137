"""Notes that two pupils who look like one are two. Rows are only ever added.

``one_id`` and ``other_id`` refer to nothing: a pupil may still wait, or vanish.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table grading_notthesame
    add foreign key (school_id, noted_by_id) references accounts_membership (school_id, user_id);
create trigger only_grows before update or delete on grading_notthesame
    for each row execute function refuse_change_of_history();
create trigger not_truncated before truncate on grading_notthesame
    for each statement execute function refuse_change_of_history();
create policy of_school on grading_notthesame using
    (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table grading_notthesame enable row level security, force row level security;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("grading", "0008_report_cards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NotTheSame",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("one_id", models.UUIDField()),
                ("other_id", models.UUIDField()),
                ("compared", models.CharField(max_length=64)),
                ("noted_at", models.DateTimeField()),
                (
                    "noted_by",
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
                    models.Index(fields=["school", "other_id"], name="notthesame_other"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("school", "id"), name="notthesame_school_id"),
                    models.UniqueConstraint(
                        fields=("school", "one_id", "other_id", "compared"), name="notthesame_pair"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("one_id__lt", models.F("other_id"))),
                        name="notthesame_in_order",
                    ),
                ],
            },
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
