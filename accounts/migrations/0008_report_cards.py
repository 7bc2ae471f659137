"""What a school decides about its report cards; and messages that carry a file."""

from django.db import migrations, models

LAW = """
-- Written out by column: a column that is added later must be named here or it could be changed.
create or replace function message_says_what_it_said() returns trigger language plpgsql as $$
begin
    if (new.id, new.school_id, new.key, new."to", new.subject, new.body, new.attachment, new.about,
        new.before, new.created_at)
       is distinct from
       (old.id, old.school_id, old.key, old."to", old.subject, old.body, old.attachment, old.about,
        old.before, old.created_at)
    then
        raise exception 'what a message says never changes' using errcode = 'insufficient_privilege';
    end if;
    if old.sent_at is not null and new.superseded_at is not null then
        raise exception 'a message that has left is not superseded'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_school_email")]

    operations = [
        migrations.AddField(
            model_name="school",
            name="cards_with_average",
            field=models.BooleanField(
                default=False, verbose_name="report cards show the average of the term"
            ),
        ),
        migrations.AddField(
            model_name="school",
            name="cards_need_comments",
            field=models.BooleanField(
                default=True,
                verbose_name="a report card is ready when every course has a comment",
            ),
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="attachment",
            field=models.CharField(blank=True, default="", max_length=200),
            preserve_default=False,
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
