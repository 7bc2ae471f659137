"""What others decided of an author's changes is found by an index. What was decided before is no
news: nobody gets a mail about all of it."""

from django.db import migrations, models

# The owner stands behind the row-level security too, and belongs to no school.
SEEN = """
alter table changes_ledgerhead no force row level security;
update accounts_membership m
    set decided_seen = h.last_decision, decided_mailed = h.last_decision
    from changes_ledgerhead h where h.school_id = m.school_id;
alter table changes_ledgerhead force row level security;
"""


class Migration(migrations.Migration):
    dependencies = [("changes", "0002_law"), ("accounts", "0005_decided")]

    operations = [
        migrations.AddIndex(
            model_name="change",
            index=models.Index(
                condition=models.Q(
                    ("decided_by__isnull", False),
                    models.Q(("decided_by", models.F("author")), _negated=True),
                ),
                fields=["school", "author", "decision"],
                name="change_decided_for_author",
            ),
        ),
        migrations.RunSQL(SEEN, migrations.RunSQL.noop),
    ]
