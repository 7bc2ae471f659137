"""The subject area of a course, blank for all that are there already: programmes ask for credits
in one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grading", "0006_comment_bank")]

    operations = [
        migrations.AddField(
            model_name="course", name="subject_area", field=models.TextField(blank=True)
        ),
    ]
