"""The office of a school can name a substitute: a member of the same school."""

import django.db.models.deletion
from django.db import migrations, models

LAW = """
alter table accounts_school
    add constraint school_substitute_is_member foreign key (id, substitute_id)
        references accounts_membership (school_id, id);
"""

BACKWARD = "alter table accounts_school drop constraint school_substitute_is_member;"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_what_leaves")]

    operations = [
        migrations.AddField(
            model_name="school",
            name="substitute",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.membership",
            ),
        ),
        migrations.AddField(
            model_name="school",
            name="substitute_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="school",
            constraint=models.CheckConstraint(
                condition=models.Q(("substitute__isnull", True), ("substitute_since__isnull", True))
                | models.Q(("substitute__isnull", False), ("substitute_since__isnull", False)),
                name="school_substitute_since",
            ),
        ),
        migrations.RunSQL(LAW, BACKWARD),
    ]
