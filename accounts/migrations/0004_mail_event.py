"""Messages that the office sends again are written to the audit log."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_message_superseded")]

    operations = [
        migrations.AlterField(
            model_name="auditlog",
            name="event",
            field=models.CharField(
                choices=[
                    ("sign_in", "signed in"),
                    ("sign_in_failed", "failed to sign in"),
                    ("sign_out", "signed out"),
                    ("refusal", "was refused"),
                    ("decision", "decided"),
                    ("export", "exported"),
                    ("view", "looked at"),
                    ("people", "changed people or policy"),
                    ("mail", "sent mail again"),
                ],
                max_length=16,
            ),
        ),
    ]
