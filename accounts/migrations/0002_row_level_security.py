"""Row-level security for the audit log and the outbox; the audit log only grows, and whoever was
here is deactivated, never deleted."""

from django.db import migrations

FORWARD = """
create policy of_school on accounts_outboxmessage
    using (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table accounts_outboxmessage enable row level security, force row level security;

-- A failed sign-in with an unknown address belongs to no school: anybody may add it, no school
-- reads it.
create policy of_school on accounts_auditlog for select
    using (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
create policy added_to_school on accounts_auditlog for insert
    with check (school_id is null
                or school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table accounts_auditlog enable row level security, force row level security;

create function refuse_change_of_history() returns trigger language plpgsql as $$
begin
    raise exception '% only grows: % is refused', tg_table_name, tg_op
        using errcode = 'insufficient_privilege';
end $$;
create trigger only_grows before update or delete on accounts_auditlog
    for each row execute function refuse_change_of_history();
create trigger not_truncated before truncate on accounts_auditlog
    for each statement execute function refuse_change_of_history();

create trigger never_deleted before delete on accounts_school
    for each row execute function refuse_change_of_history();
create trigger never_deleted before delete on accounts_user
    for each row execute function refuse_change_of_history();
create trigger never_deleted before delete on accounts_membership
    for each row execute function refuse_change_of_history();
"""

BACKWARD = """
drop trigger never_deleted on accounts_membership;
drop trigger never_deleted on accounts_user;
drop trigger never_deleted on accounts_school;
drop trigger not_truncated on accounts_auditlog;
drop trigger only_grows on accounts_auditlog;
drop function refuse_change_of_history();
alter table accounts_auditlog no force row level security, disable row level security;
drop policy added_to_school on accounts_auditlog;
drop policy of_school on accounts_auditlog;
alter table accounts_outboxmessage no force row level security, disable row level security;
drop policy of_school on accounts_outboxmessage;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
