"""What leaves a school: the decimals of its averages, and what was disclosed of which pupil.

``pupil_id`` refers to nothing: the row stays when the pupil vanishes.
"""

import django.db.models.deletion
from django.db import migrations, models

LAW = """
alter table accounts_disclosure
    add foreign key (school_id, event_id) references accounts_auditlog (school_id, id);
create policy of_school on accounts_disclosure
    using (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table accounts_disclosure enable row level security, force row level security;
create trigger only_grows before update or delete on accounts_disclosure
    for each row execute function refuse_change_of_history();
create trigger not_truncated before truncate on accounts_disclosure
    for each statement execute function refuse_change_of_history();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_frozen")]

    operations = [
        migrations.AddField(
            model_name="school",
            name="gpa_decimals",
            field=models.PositiveSmallIntegerField(
                default=2, verbose_name="decimals of a grade point average"
            ),
        ),
        migrations.AddConstraint(
            model_name="school",
            constraint=models.CheckConstraint(
                condition=models.Q(("gpa_decimals__lte", 4)), name="school_gpa_decimals"
            ),
        ),
        migrations.AddConstraint(
            model_name="auditlog",
            constraint=models.UniqueConstraint(fields=("school", "id"), name="auditlog_school_id"),
        ),
        migrations.CreateModel(
            name="Disclosure",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("pupil_id", models.UUIDField()),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="disclosures",
                        to="accounts.auditlog",
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
                "constraints": [
                    models.UniqueConstraint(fields=("school", "id"), name="disclosure_school_id"),
                    models.UniqueConstraint(
                        fields=("school", "pupil_id", "event"), name="disclosure_once_per_event"
                    ),
                ],
            },
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
