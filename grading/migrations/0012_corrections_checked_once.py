"""A grade correction refers to what it names once: what a row's other references say already is not
looked up again for each of the tens of thousands that a revert writes.

That its school exists follows from who submitted it, a member of that school. That its decision
exists, and that who approved it is a member, follows from the decision being one of that person:
one is null only where the other is (gradecorrection_decided_whole).
"""

import django.db.models.deletion
from django.db import migrations, models

DROP = """
alter table grading_gradecorrection
    drop constraint grading_gradecorrection_school_id_decision_id_fkey,
    drop constraint grading_gradecorrection_school_id_approved_by_id_fkey;
"""
ADD = """
alter table grading_gradecorrection
    add foreign key (school_id, decision_id) references changes_decision (school_id, id)
        deferrable initially deferred,
    add foreign key (school_id, approved_by_id)
        references accounts_membership (school_id, user_id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_school_email"),
        ("changes", "0008_erase"),
        ("grading", "0011_roster_upload"),
    ]

    operations = [
        migrations.AlterField(
            model_name="gradecorrection",
            name="school",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="accounts.school",
            ),
        ),
        migrations.RunSQL(DROP, ADD),
        migrations.RemoveIndex(model_name="gradecorrection", name="gradecorrection_change"),
        migrations.AddIndex(
            model_name="gradecorrection",
            index=models.Index(
                condition=models.Q(("change__isnull", False)),
                fields=["school", "change"],
                name="gradecorrection_change",
            ),
        ),
    ]
