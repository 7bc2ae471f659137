"""Programmes: what it takes to finish, and which one a pupil is in.

``courses`` refers to nothing: a course that is named there may vanish.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

LAW = """
alter table students_student
    add foreign key (school_id, programme_id) references students_programme (school_id, id);
create policy of_school on students_programme
    using (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table students_programme enable row level security, force row level security;
create trigger never_deleted before delete on students_programme
    for each row execute function refuse_change_of_history();
create trigger not_truncated before truncate on students_programme
    for each statement execute function refuse_change_of_history();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_row_level_security"),
        ("students", "0003_pronouns"),
    ]

    operations = [
        migrations.CreateModel(
            name="Programme",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                (
                    "credits",
                    models.DecimalField(decimal_places=2, default=0, max_digits=6),
                ),
                ("areas", models.JSONField(default=dict)),
                (
                    "courses",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                (
                    "least_gpa",
                    models.DecimalField(decimal_places=4, max_digits=7, null=True),
                ),
                ("retired_at", models.DateTimeField(null=True)),
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
                "constraints": [
                    models.UniqueConstraint(fields=("school", "id"), name="programme_school_id"),
                    models.UniqueConstraint(fields=("school", "name"), name="programme_name"),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="programme_named"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("credits__gte", 0)), name="programme_credits"
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="student",
            name="programme",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="students.programme",
            ),
        ),
        migrations.AddIndex(
            model_name="student",
            index=models.Index(fields=["school", "programme"], name="student_programme"),
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
