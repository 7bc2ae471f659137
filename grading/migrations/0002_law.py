"""What the database itself holds of marks: one school, corrections and history that only grow.

References between tracked tables can be deferred: the projector writes parents before children
and has the database judge the result as a whole.
"""

from django.db import migrations

FORWARD = """
alter table grading_gradingstep
    add foreign key (school_id, scale_id) references grading_gradingscale (school_id, id);
alter table grading_section
    add foreign key (school_id, course_id) references grading_course (school_id, id) deferrable,
    add foreign key (school_id, term_id) references grading_term (school_id, id) deferrable,
    add foreign key (school_id, room_id) references grading_room (school_id, id) deferrable,
    add foreign key (school_id, scale_id) references grading_gradingscale (school_id, id),
    add foreign key (school_id, instructor_id) references accounts_membership (school_id, user_id);
alter table grading_enrollment
    add foreign key (school_id, student_id) references students_student (school_id, id) deferrable,
    add foreign key (school_id, section_id) references grading_section (school_id, id) deferrable;
alter table grading_gradecorrection
    add foreign key (school_id, change_id) references changes_change (school_id, id),
    add foreign key (school_id, submitted_by_id)
        references accounts_membership (school_id, user_id),
    add foreign key (school_id, approved_by_id)
        references accounts_membership (school_id, user_id),
    add foreign key (school_id, decision_id) references changes_decision (school_id, id)
        deferrable initially deferred,
    -- Who is named as the second person is who decided.
    add foreign key (school_id, decision_id, approved_by_id)
        references changes_decision (school_id, id, decided_by_id) deferrable initially deferred;
alter table grading_coursechangehistory
    add foreign key (school_id, changed_by_id) references accounts_membership (school_id, user_id),
    add foreign key (school_id, decision_id) references changes_decision (school_id, id)
        deferrable initially deferred;

-- ADR-006: what was submitted never changes; the decision is written once; nothing is deleted.
create function correction_is_decided_once() returns trigger language plpgsql as $$
begin
    if (new.id, new.school_id, new.enrollment_id, new.kind, new.change_id, new.old_grade,
        new.new_grade, new.reason, new.submitted_by_id, new.submitted_at)
       is distinct from
       (old.id, old.school_id, old.enrollment_id, old.kind, old.change_id, old.old_grade,
        old.new_grade, old.reason, old.submitted_by_id, old.submitted_at)
    then
        raise exception 'the submitted part of a correction never changes'
            using errcode = 'insufficient_privilege';
    end if;
    if old.status <> 'pending' then
        raise exception 'a correction is decided once' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger decided_once before update on grading_gradecorrection
    for each row execute function correction_is_decided_once();
create trigger never_deleted before delete on grading_gradecorrection
    for each row execute function refuse_change_of_history();
create trigger only_grows before update or delete on grading_coursechangehistory
    for each row execute function refuse_change_of_history();

-- A scale is immutable: marks were checked against it. It can be retired.
create function scale_is_immutable() returns trigger language plpgsql as $$
begin
    if (to_jsonb(new) - 'retired_at') is distinct from (to_jsonb(old) - 'retired_at') then
        raise exception 'a grading scale never changes; make a new version of it'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger immutable before update on grading_gradingscale
    for each row execute function scale_is_immutable();
create trigger never_deleted before delete on grading_gradingscale
    for each row execute function refuse_change_of_history();
create trigger only_grows before update or delete on grading_gradingstep
    for each row execute function refuse_change_of_history();

do $$
declare t text;
begin
    foreach t in array array['grading_term', 'grading_course', 'grading_room',
                             'grading_gradingscale', 'grading_gradingstep', 'grading_section',
                             'grading_enrollment', 'grading_gradecorrection',
                             'grading_coursechangehistory']
    loop
        execute format('create trigger not_truncated before truncate on %I
                        for each statement execute function refuse_change_of_history()', t);
        execute format($p$create policy of_school on %I using
            (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid)$p$, t);
        execute format('alter table %I enable row level security, force row level security', t);
    end loop;
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("grading", "0001_initial"), ("changes", "0002_law"), ("students", "0002_law")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
