"""Entering a delivery: a direct edit that comes in parts and is decided as one.

A roster holds hundreds of thousands of values. Each part of it is proposed, judged, approved and
projected before the next is made, so that only one is in memory; what comes later finds in the
tables what came before. There is one change set and one decision, and all of it or nothing.

Call everything here inside a school.
"""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterable, Iterator, Sequence

from django.db import transaction

from accounts.models import Membership, School
from accounts.origin import Origin

from . import judgement, projector
from .deciding import Act, CannotProject, KeysClash, deciding, find_every_clash, joined, lock
from .judgement import Judged
from .models import Change, ChangeSet, Decision
from .projector import Move
from .propose import Draft, NothingSaved, propose
from .registry import EXISTS
from .review import NotApproved, load, refuse_clashing, tell_rules


@dataclasses.dataclass(frozen=True)
class Part:
    """What became of a part: the ``changes`` that were saved, and those of them that wait for a
    second person."""

    changes: list[Change]
    waiting: list[Judged]


@dataclasses.dataclass(kw_only=True)
class Delivery:
    """A delivery that is being entered. See ``delivering``."""

    school: School
    by: Membership
    origin: Origin
    reason: str
    opened: contextlib.ExitStack
    change_set: ChangeSet | None = None
    act: Act | None = None
    moves: list[Move] = dataclasses.field(default_factory=list)
    refused: list[Draft] = dataclasses.field(default_factory=list)
    not_approved: list[Judged] = dataclasses.field(default_factory=list)

    def enter(self, drafts: Iterable[Draft]) -> Part:
        """Propose and approve a part; what alters a standing grade waits for a second person.

        All cells of a record come in one part, and a record not before what it refers to. What is
        refused is told at the end, so that all of it is known by then.
        """
        saved = propose(
            drafts,
            by=self.by,
            origin=self.origin,
            source=ChangeSet.Source.IMPORT,
            reason=self.reason,
            into=self.change_set,
        )
        self.change_set = saved.change_set or self.change_set
        self.refused += saved.refused
        if self.refused:  # nothing will stand: what is left is only examined
            return Part(saved.changes, [])
        waiting = [c.pk for c in saved.changes if c.two_people]
        at_once = [c.pk for c in saved.changes if not c.two_people]
        if at_once:
            self._approve(at_once)
        return Part(
            saved.changes,
            judgement.load(self.school, waiting, by=self.by) if waiting else [],
        )

    def _approve(self, change_ids: Sequence[uuid.UUID]) -> None:
        if self.act is None:
            self.act = self.opened.enter_context(
                deciding(
                    Decision.Kind.IMPORT,
                    school=self.school,
                    by=self.by,
                    origin=self.origin,
                    reason=self.reason,
                )
            )
        judged = load(self.act, change_ids)
        judgement.judge(self.school, judged)
        passing = [j for j in judged if j.passes]
        self.not_approved += [j for j in judged if not j.passes]
        tell_rules(self.act, passing, approved=True)
        self.act.approve(passing)
        moves = projector.project(
            self.school, ((j.entity_type, j.entity_id, j.field) for j in passing)
        )
        # Of a record that came with the delivery itself nothing stood before that an effect could
        # tell of. (All that a school holds may come so, too much to keep.)
        came = {j.entity_id for j in passing if j.creates}
        self.moves += [move for move in moves if move.entity_id not in came]

    def finish(self) -> None:
        """Leave the effects of all parts, or raise why nothing can stand."""
        if self.refused:
            raise NothingSaved(self.refused)
        if self.act is None:
            return
        if not self.not_approved and (clashes := find_every_clash(self.school)):
            self._refuse(self.act, KeysClash(clashes))
        if self.not_approved:
            raise NotApproved(self.not_approved)
        self.act.moves = joined([], self.moves)
        self.act.leave_effects()

    def _refuse(self, act: Act, clash: KeysClash) -> None:
        fields = {EXISTS}.union(*(each.fields for each in clash.clashes))
        records = set().union(*(each.entity_ids for each in clash.clashes))
        involved = Change.objects.filter(
            decision_id=act.id, entity_id__among=records, field__in=fields
        )
        judged = judgement.load(self.school, list(involved.values_list("pk", flat=True)))
        refuse_clashing(clash, judged, waited=False)
        self.not_approved = [j for j in judged if not j.passes]
        if not self.not_approved:
            # Records that come back with a parent clash, and nothing here can give way.
            raise CannotProject(str(clash)) from clash


@contextlib.contextmanager
def delivering(
    *, school: School, by: Membership, origin: Origin, reason: str
) -> Iterator[Delivery]:
    """Let the block enter a delivery, part by part. Holds the school's lock. Rules bring nothing
    along: what a file says stands as it is.

    Raises, when the block ends; whatever raises undoes the whole delivery:
        NothingSaved: drafts were refused.
        NotApproved: changes could not be approved for another reason than the second person.
        CannotProject: the database refuses the result.
    """
    with transaction.atomic(), contextlib.ExitStack() as opened:
        lock(school)  # before the author's membership: the lock order
        delivery = Delivery(school=school, by=by, origin=origin, reason=reason, opened=opened)
        yield delivery
        delivery.finish()
