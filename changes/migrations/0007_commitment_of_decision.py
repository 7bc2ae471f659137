"""Let a decision commit to its facts with a salt, as a change does, and let either be without its
salt: what may name a person can be erased then, and the chain of digests still holds."""

from django.db import migrations, models

FORWARD = """
alter table changes_decision
    add constraint decision_salt check (length(salt) = 16),
    add constraint decision_commitment check (length(commitment) = 32);
"""

BACKWARD = """
alter table changes_decision
    drop constraint decision_salt,
    drop constraint decision_commitment;
"""


class Migration(migrations.Migration):
    dependencies = [("changes", "0003_decided_for_author")]

    operations = [
        migrations.AlterField("change", "salt", models.BinaryField(max_length=16, null=True)),
        migrations.AddField("decision", "salt", models.BinaryField(max_length=16, null=True)),
        migrations.AddField("decision", "commitment", models.BinaryField(max_length=32, null=True)),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
