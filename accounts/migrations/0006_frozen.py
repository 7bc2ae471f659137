"""A member's account can be frozen, by somebody else of the same school."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table accounts_membership
    add constraint membership_frozen_by_member foreign key (school_id, frozen_by_id)
        references accounts_membership (school_id, user_id);
"""

BACKWARD = "alter table accounts_membership drop constraint membership_frozen_by_member;"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_decided")]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="frozen_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="membership",
            name="frozen_by",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="membership",
            name="frozen_because",
            field=models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(("frozen_at__isnull", True), ("frozen_by__isnull", True))
                | models.Q(
                    ("frozen_at__isnull", False),
                    ("frozen_by__isnull", False),
                    models.Q(("frozen_by", models.F("user")), _negated=True),
                ),
                name="membership_frozen_by_somebody",
            ),
        ),
        migrations.RunSQL(LAW, BACKWARD),
    ]
