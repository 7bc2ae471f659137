"""A message that has not left can be superseded by a later one about the same; what it says is
never changed."""

from django.db import migrations, models

LAW = """
-- Written out by column: a column that is added later must be named here or it could be changed.
create function message_says_what_it_said() returns trigger language plpgsql as $$
begin
    if (new.id, new.school_id, new.key, new."to", new.subject, new.body, new.about, new.before,
        new.created_at)
       is distinct from
       (old.id, old.school_id, old.key, old."to", old.subject, old.body, old.about, old.before,
        old.created_at)
    then
        raise exception 'what a message says never changes' using errcode = 'insufficient_privilege';
    end if;
    if old.sent_at is not null and new.superseded_at is not null then
        raise exception 'a message that has left is not superseded'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger says_what_it_said before update on accounts_outboxmessage
    for each row execute function message_says_what_it_said();
"""

BACKWARD = """
drop trigger says_what_it_said on accounts_outboxmessage;
drop function message_says_what_it_said();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_row_level_security")]

    operations = [
        migrations.AddField(
            model_name="outboxmessage",
            name="about",
            field=models.CharField(blank=True, default="", max_length=200),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="outboxmessage", name="before", field=models.JSONField(default=dict)
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="superseded_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RemoveIndex(model_name="outboxmessage", name="outboxmessage_due"),
        migrations.AddIndex(
            model_name="outboxmessage",
            index=models.Index(
                condition=models.Q(
                    ("given_up_at__isnull", True),
                    ("sent_at__isnull", True),
                    ("superseded_at__isnull", True),
                ),
                fields=["school", "due_at"],
                name="outboxmessage_due",
            ),
        ),
        migrations.AddIndex(
            model_name="outboxmessage",
            index=models.Index(
                condition=models.Q(
                    ("sent_at__isnull", True),
                    ("superseded_at__isnull", True),
                    models.Q(("about", ""), _negated=True),
                ),
                fields=["school", "about"],
                name="outboxmessage_not_left",
            ),
        ),
        migrations.RunSQL(LAW, BACKWARD),
    ]
