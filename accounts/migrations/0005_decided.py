"""How a member is told what was decided about their changes, and how far they have been."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_mail_event")]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="decided_by_mail",
            field=models.CharField(
                choices=[("daily", "once a day"), ("at once", "at once"), ("never", "never")],
                default="daily",
                max_length=7,
            ),
        ),
        migrations.AddField(
            model_name="membership",
            name="decided_seen",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="membership",
            name="decided_mailed",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(("decided_by_mail__in", ["daily", "at once", "never"])),
                name="membership_decided_by_mail_known",
            ),
        ),
    ]
