"""Report cards: remarks on them, what the office asks for, what was issued, and what may go out.

``term_id`` and ``pupil_id`` refer to nothing: the rows stay when the term or the pupil vanishes.
"""

import django.contrib.postgres.fields
import django.db.models.constraints
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

LAW = """
alter table grading_remark
    add foreign key (school_id, student_id) references students_student (school_id, id) deferrable,
    add foreign key (school_id, term_id) references grading_term (school_id, id) deferrable;
alter table grading_cardrun
    add foreign key (school_id, asked_by_id) references accounts_membership (school_id, user_id);
alter table grading_issuedcard
    add foreign key (school_id, issued_by_id) references accounts_membership (school_id, user_id);
alter table grading_cardofrun
    add foreign key (school_id, run_id) references grading_cardrun (school_id, id),
    add foreign key (school_id, card_id) references grading_issuedcard (school_id, id);
alter table grading_cardrelease
    add foreign key (school_id, released_by_id)
        references accounts_membership (school_id, user_id);

create function run_goes_forward() returns trigger language plpgsql as $$
begin
    if (new.id, new.school_id, new.term_id, new.label, new.pupil_ids, new.with_blanks, new.reason,
        new.asked_by_id, new.asked_at, new.ip, new.idempotency_key)
       is distinct from
       (old.id, old.school_id, old.term_id, old.label, old.pupil_ids, old.with_blanks, old.reason,
        old.asked_by_id, old.asked_at, old.ip, old.idempotency_key)
    then
        raise exception 'what was asked for never changes' using errcode = 'insufficient_privilege';
    end if;
    if new.handled < old.handled or old.finished_at is not null or old.cancelled_at is not null then
        raise exception 'a run goes forward' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger goes_forward before update on grading_cardrun
    for each row execute function run_goes_forward();
create trigger never_deleted before delete on grading_cardrun
    for each row execute function refuse_change_of_history();

do $$
declare t text;
begin
    foreach t in array array['grading_issuedcard', 'grading_cardofrun', 'grading_cardrelease']
    loop
        execute format('create trigger only_grows before update or delete on %I
                        for each row execute function refuse_change_of_history()', t);
    end loop;
    foreach t in array array['grading_remark', 'grading_cardrun', 'grading_issuedcard',
                             'grading_cardofrun', 'grading_cardrelease', 'grading_logo']
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
    dependencies = [
        ("accounts", "0008_report_cards"),
        ("grading", "0007_subject_area"),
        ("students", "0003_pronouns"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CardRun",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("term_id", models.UUIDField()),
                ("label", models.TextField()),
                (
                    "pupil_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                ),
                ("with_blanks", models.BooleanField()),
                ("reason", models.TextField(blank=True)),
                ("asked_at", models.DateTimeField()),
                ("ip", models.GenericIPAddressField(null=True)),
                ("idempotency_key", models.CharField(max_length=100, null=True)),
                ("handled", models.PositiveIntegerField(default=0)),
                ("finished_at", models.DateTimeField(null=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "school",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.school",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="IssuedCard",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("term_id", models.UUIDField()),
                ("pupil_id", models.UUIDField()),
                ("version", models.PositiveIntegerField()),
                ("pupil", models.TextField()),
                ("said", models.JSONField()),
                ("said_digest", models.CharField(max_length=64)),
                ("file", models.BinaryField()),
                ("file_digest", models.CharField(max_length=64)),
                ("blanks", models.PositiveIntegerField()),
                ("unprintable", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                ("issued_at", models.DateTimeField()),
                (
                    "issued_by",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "school",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.school",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CardOfRun",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("place", models.PositiveIntegerField()),
                ("pupil", models.TextField()),
                ("is_new", models.BooleanField(default=False)),
                ("because", models.JSONField(default=list)),
                (
                    "school",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.school",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="cards",
                        to="grading.cardrun",
                    ),
                ),
                (
                    "card",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="runs",
                        to="grading.issuedcard",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Logo",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("image", models.BinaryField()),
                ("kind", models.CharField(choices=[("png", "PNG"), ("jpg", "JPEG")], max_length=3)),
                (
                    "school",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.school",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CardRelease",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("term_id", models.UUIDField()),
                ("released_at", models.DateTimeField()),
                (
                    "released_by",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "school",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.school",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("school", "id"), name="cardrelease_school_id"),
                    models.UniqueConstraint(fields=("school", "term_id"), name="cardrelease_once"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="cardrun",
            index=models.Index(fields=["school", "term_id", "asked_at"], name="cardrun_term"),
        ),
        migrations.AddIndex(
            model_name="cardrun",
            index=models.Index(
                condition=models.Q(("cancelled_at__isnull", True), ("finished_at__isnull", True)),
                fields=["school", "asked_at"],
                name="cardrun_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="cardrun",
            constraint=models.UniqueConstraint(fields=("school", "id"), name="cardrun_school_id"),
        ),
        migrations.AddConstraint(
            model_name="cardrun",
            constraint=models.UniqueConstraint(
                fields=("school", "asked_by", "idempotency_key"), name="cardrun_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="issuedcard",
            constraint=models.UniqueConstraint(
                fields=("school", "id"), name="issuedcard_school_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="issuedcard",
            constraint=models.UniqueConstraint(
                fields=("school", "term_id", "pupil_id", "version"), name="issuedcard_version"
            ),
        ),
        migrations.AddConstraint(
            model_name="issuedcard",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("version", 1), models.Q(("reason", ""), _negated=True), _connector="OR"
                ),
                name="issuedcard_amended_because",
            ),
        ),
        migrations.AddConstraint(
            model_name="cardofrun",
            constraint=models.UniqueConstraint(fields=("school", "id"), name="cardofrun_school_id"),
        ),
        migrations.AddConstraint(
            model_name="cardofrun",
            constraint=models.UniqueConstraint(
                fields=("school", "run", "place"), name="cardofrun_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="cardofrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("because", []), ("card__isnull", False)),
                    models.Q(("card__isnull", True), models.Q(("because", []), _negated=True)),
                    _connector="OR",
                ),
                name="cardofrun_card_or_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="logo",
            constraint=models.UniqueConstraint(fields=("school", "id"), name="logo_school_id"),
        ),
        migrations.AddConstraint(
            model_name="logo",
            constraint=models.UniqueConstraint(fields=("school",), name="logo_one"),
        ),
        migrations.AddConstraint(
            model_name="logo",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["png", "jpg"])), name="logo_kind_known"
            ),
        ),
        migrations.CreateModel(
            name="Remark",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("text", models.TextField(blank=True)),
                (
                    "school",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.school",
                    ),
                ),
                (
                    "student",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="remarks",
                        to="students.student",
                    ),
                ),
                (
                    "term",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="remarks",
                        to="grading.term",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["school", "student"], name="remark_student")],
                "constraints": [
                    models.UniqueConstraint(fields=("school", "id"), name="remark_school_id"),
                    models.UniqueConstraint(
                        deferrable=django.db.models.constraints.Deferrable["IMMEDIATE"],
                        fields=("school", "term", "student"),
                        name="remark_once",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="remark",
            trigger=pgtrigger.compiler.Trigger(
                name="written_by_projector",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (current_setting('schoolmarks.projector', true) is distinct from 'on')",
                    func="raise exception '% is written by the projector alone; propose a change instead', tg_table_name using errcode = 'insufficient_privilege';",
                    hash="b5bd872fb3ee4e7f556e42a7f3355c929e2ebafc",
                    operation="INSERT OR UPDATE OR DELETE",
                    pgid="pgtrigger_written_by_projector_0f7b3",
                    table="grading_remark",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.RunSQL(LAW, migrations.RunSQL.noop),
    ]
