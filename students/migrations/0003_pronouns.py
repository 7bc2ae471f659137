"""The pronouns of a pupil, where the school knows them: blank for all that are there already."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_row_level_security"),
        ("students", "0002_law"),
    ]

    operations = [
        migrations.AddField(
            model_name="student",
            name="pronouns",
            field=models.TextField(
                blank=True, choices=[("she", "she"), ("he", "he"), ("they", "they")]
            ),
        ),
        migrations.AddConstraint(
            model_name="student",
            constraint=models.CheckConstraint(
                condition=models.Q(("pronouns__in", ["", "she", "he", "they"])),
                name="student_pronouns_known",
            ),
        ),
    ]
