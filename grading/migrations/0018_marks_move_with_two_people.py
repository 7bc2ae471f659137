"""A mark that stands is not moved by one person: neither its enrolment to another pupil or class,
nor its class to another course, term or scale; and a mark is not typed over by its author alone.

The engine sees to it, and asks two people (``two_people``, which the ledger's own check holds to).
Here the database says it of whatever approves a change: of one that was typed over something,
that its own author approved, or a rule, and that was not marked for two people. Looked at when the
decision is whole, for it is inserted last; and only for such changes, of which an import of a whole
school has none. A merge may point an enrolment at another pupil (see ``changes/merge.py``), and an import that
brings marks which a class's scale cannot hold gives the class a version of it that can.

A scale that a class is marked by takes no further steps, which would give its marks other points.
"""

from django.db import migrations

FORWARD = """
create function mark_moves_with_two_people() returns trigger language plpgsql
    -- Read by the indexes, whatever was known of the tables when a session planned it.
    set enable_seqscan = off as $$
begin
    if exists (select from changes_decision d
               where d.school_id = new.school_id and d.id = new.decision_id
                 and (d.kind = 'merge' or (d.kind = 'import' and new.field = 'scale')))
    then
        return null;
    end if;
    if exists (
        select from (
            select new.entity_id as id where new.entity_type = 'enrollment'
            union all
            select e.id from grading_enrollment e
            where new.entity_type = 'section' and e.school_id = new.school_id
              and e.section_id = new.entity_id and e.grade is not null
              -- Who is moved there in the same decision was judged by that.
              and not exists (select from changes_change m
                              where m.school_id = e.school_id and m.entity_id = e.id
                                and m.field = 'section' and m.decision_id = new.decision_id)) its
        -- What the mark was before this decision.
        cross join lateral (
            select g.value from changes_change g
            where g.school_id = new.school_id and g.entity_id = its.id and g.field = 'grade'
              and g.status = 'approved' and g.decision_id <> new.decision_id
              and not exists (select from changes_exclusion x
                              where x.school_id = g.school_id and x.change_id = g.id
                                and x.lifted_by_id is null)
            order by g.position desc limit 1) mark
        where mark.value is not null
          and (new.field <> 'grade' or mark.value is distinct from new.value))
    then
        raise exception 'a mark that stands is moved by two people'
            using errcode = 'insufficient_privilege';
    end if;
    return null;
end $$;
create constraint trigger mark_moves_with_two_people after update on changes_change
    deferrable initially deferred for each row
    when (new.status = 'approved' and not new.two_people and new.base_change_id is not null
          and coalesce(new.decided_by_id, new.author_id) = new.author_id
          and ((new.entity_type = 'enrollment' and new.field in ('student', 'section', 'grade'))
               or (new.entity_type = 'section' and new.field in ('course', 'term', 'scale'))))
    execute function mark_moves_with_two_people();

create function scale_in_use_takes_no_steps() returns trigger language plpgsql as $$
begin
    if exists (select from grading_section s
               where s.school_id = new.school_id and s.scale_id = new.scale_id)
    then
        raise exception 'classes are marked by this scale; make a new version of it'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger not_in_use before insert on grading_gradingstep
    for each row execute function scale_in_use_takes_no_steps();
"""

BACK = """
drop trigger not_in_use on grading_gradingstep;
drop function scale_in_use_takes_no_steps();
drop trigger mark_moves_with_two_people on changes_change;
drop function mark_moves_with_two_people();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("changes", "0009_decided_by_a_rule"),
        ("grading", "0015_roster_asked_by"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACK)]
