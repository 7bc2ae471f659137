"""What a roster would do is looked at as it is for who asks, who need not be who uploaded it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table grading_rosterupload
    add foreign key (school_id, asked_by_id)
        references accounts_membership (school_id, user_id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("grading", "0014_roster_in_background"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "rosterupload",
            "asked_by",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
