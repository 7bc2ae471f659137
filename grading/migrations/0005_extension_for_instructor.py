"""Extensions of the marks window for all classes of an instructor in a term.

``term_id`` refers to nothing: the row stays when the term vanishes.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table grading_extension
    add foreign key (school_id, instructor_id)
        references accounts_membership (school_id, user_id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("grading", "0004_extension"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="extension", name="section_id", field=models.UUIDField(null=True)
        ),
        migrations.AddField(
            model_name="extension", name="term_id", field=models.UUIDField(null=True)
        ),
        migrations.AddField(
            model_name="extension",
            name="instructor",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="extension",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("instructor__isnull", True),
                    ("section_id__isnull", False),
                    ("term_id__isnull", True),
                )
                | models.Q(
                    ("instructor__isnull", False),
                    ("section_id__isnull", True),
                    ("term_id__isnull", False),
                ),
                name="extension_class_or_instructor",
            ),
        ),
        migrations.AddIndex(
            model_name="extension",
            index=models.Index(
                fields=["school", "instructor", "term_id", "granted_at"],
                name="extension_instructor",
            ),
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
