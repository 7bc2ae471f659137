"""Row-level security for pupils, and a guard against TRUNCATE, which no row trigger sees."""

from django.db import migrations

FORWARD = """
create policy of_school on students_student
    using (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid);
alter table students_student enable row level security, force row level security;
create trigger not_truncated before truncate on students_student
    for each statement execute function refuse_change_of_history();
"""


class Migration(migrations.Migration):
    dependencies = [("students", "0001_initial"), ("accounts", "0002_row_level_security")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
