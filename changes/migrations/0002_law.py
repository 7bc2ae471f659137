"""What the database itself holds of the ledger: one school, one history that only grows.

Composite foreign keys keep a row of one school from pointing into another. The reference to the
decision is checked at the end of the transaction: a Decision is inserted whole, last, with its
digest, after the rows that it stamped.
"""

from django.db import migrations

FORWARD = """
alter table changes_changeset
    add foreign key (school_id, initiator_id) references accounts_membership (school_id, user_id);
alter table changes_decision
    add foreign key (school_id, decided_by_id) references accounts_membership (school_id, user_id),
    add foreign key (school_id, undoes_id) references changes_decision (school_id, id),
    add constraint decision_digest check (length(digest) = 32),
    add constraint decision_whom unique (school_id, id, decided_by_id);
alter table changes_change
    add foreign key (school_id, change_set_id, author_id)
        references changes_changeset (school_id, id, initiator_id),
    add foreign key (school_id, base_change_id) references changes_change (school_id, id),
    add foreign key (school_id, reopens_id) references changes_change (school_id, id),
    add foreign key (school_id, decision_id) references changes_decision (school_id, id)
        deferrable initially deferred,
    add foreign key (school_id, decision_id, decided_by_id)
        references changes_decision (school_id, id, decided_by_id) deferrable initially deferred,
    add constraint change_refers_to_its_value check (refers_to is null or refers_to::text = value),
    add constraint change_salt check (length(salt) = 16),
    add constraint change_commitment check (length(commitment) = 32);
alter table changes_exclusion
    add foreign key (school_id, change_id) references changes_change (school_id, id),
    add foreign key (school_id, decision_id) references changes_decision (school_id, id)
        deferrable initially deferred,
    add foreign key (school_id, lifted_by_id) references changes_decision (school_id, id)
        deferrable initially deferred;

-- Facts stand; what is decided is decided once. Written out by column: a column that is added
-- later must be named here or it could be changed. Whoever connects, these triggers fire.
create function change_is_decided_once() returns trigger language plpgsql as $$
begin
    if (new.id, new.school_id, new.change_set_id, new.author_id, new.entity_type, new.entity_id,
        new.field, new.kind, new.value, new.refers_to, new.number, new.base_change_id,
        new.old_value, new.reopens_id, new.two_people, new.salt, new.commitment)
       is distinct from
       (old.id, old.school_id, old.change_set_id, old.author_id, old.entity_type, old.entity_id,
        old.field, old.kind, old.value, old.refers_to, old.number, old.base_change_id,
        old.old_value, old.reopens_id, old.two_people, old.salt, old.commitment)
    then
        raise exception 'the facts of a change never change' using errcode = 'insufficient_privilege';
    end if;
    if old.status <> 'provisional' then
        raise exception 'a change is decided once' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger decided_once before update on changes_change
    for each row execute function change_is_decided_once();

create function exclusion_is_lifted_once() returns trigger language plpgsql as $$
begin
    if (new.id, new.school_id, new.change_id, new.decision_id)
       is distinct from (old.id, old.school_id, old.change_id, old.decision_id)
       or old.lifted_by_id is not null or new.lifted_by_id is null
    then
        raise exception 'an exclusion is lifted once, and nothing else of it changes'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger lifted_once before update on changes_exclusion
    for each row execute function exclusion_is_lifted_once();

-- A row begins undecided: what is decided goes through an update, and so through the rule above.
create function change_begins_provisional() returns trigger language plpgsql as $$
begin
    if new.status <> 'provisional' then
        raise exception 'a change begins provisional' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger begins_provisional before insert on changes_change
    for each row execute function change_begins_provisional();
create function exclusion_begins_in_force() returns trigger language plpgsql as $$
begin
    if new.lifted_by_id is not null then
        raise exception 'an exclusion begins in force' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger begins_in_force before insert on changes_exclusion
    for each row execute function exclusion_begins_in_force();

-- The school's counters go up, or stay.
create function ledger_head_goes_forward() returns trigger language plpgsql as $$
begin
    if new.school_id <> old.school_id or new.last_position < old.last_position
       or new.last_decision < old.last_decision
    then
        raise exception 'the head of a ledger goes forward only' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger goes_forward before update on changes_ledgerhead
    for each row execute function ledger_head_goes_forward();
create trigger never_deleted before delete on changes_ledgerhead
    for each row execute function refuse_change_of_history();
create trigger not_truncated before truncate on changes_ledgerhead
    for each statement execute function refuse_change_of_history();

create trigger only_grows before update or delete on changes_changeset
    for each row execute function refuse_change_of_history();
create trigger only_grows before update or delete on changes_decision
    for each row execute function refuse_change_of_history();
create trigger never_deleted before delete on changes_change
    for each row execute function refuse_change_of_history();
create trigger never_deleted before delete on changes_exclusion
    for each row execute function refuse_change_of_history();

do $$
declare t text;
begin
    foreach t in array array['changes_changeset', 'changes_change', 'changes_decision',
                             'changes_exclusion']
    loop
        execute format('create trigger not_truncated before truncate on %I
                        for each statement execute function refuse_change_of_history()', t);
    end loop;
    foreach t in array array['changes_changeset', 'changes_change', 'changes_decision',
                             'changes_exclusion', 'changes_ledgerhead']
    loop
        execute format($p$create policy of_school on %I using
            (school_id = nullif(current_setting('schoolmarks.school', true), '')::uuid)$p$, t);
        execute format('alter table %I enable row level security, force row level security', t);
    end loop;
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("changes", "0001_initial"), ("accounts", "0002_row_level_security")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
