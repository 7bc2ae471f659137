"""Let an erasure by law be a decision of its own kind."""

from django.db import migrations, models

KINDS = ["approve", "decline", "reopen", "direct", "import", "merge", "revert", "reinstate"]


class Migration(migrations.Migration):
    dependencies = [("changes", "0007_commitment_of_decision")]

    operations = [
        migrations.RemoveConstraint("decision", "decision_kind_known"),
        migrations.AddConstraint(
            "decision",
            models.CheckConstraint(
                name="decision_kind_known", condition=models.Q(kind__in=[*KINDS, "erase"])
            ),
        ),
        migrations.AlterField(
            "decision",
            "kind",
            models.CharField(
                choices=[
                    ("approve", "approved"),
                    ("decline", "declined"),
                    ("reopen", "reopened"),
                    ("direct", "edited directly"),
                    ("import", "imported"),
                    ("merge", "merged"),
                    ("revert", "reverted"),
                    ("reinstate", "reinstated"),
                    ("erase", "erased"),
                ],
                max_length=10,
            ),
        ),
    ]
