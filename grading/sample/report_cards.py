"""Report cards in the sample school: a logo, remarks on one home group, and the cards of its last
term."""

import datetime as dt
import io
import uuid

from PIL import Image, ImageDraw

from accounts.models import Membership
from accounts.origin import Origin
from changes import review
from changes.propose import Draft, creation, propose
from grading import card_runs, card_scope, logo
from grading.models import Term
from students.models import Student

from . import names

GROUP = "7B"
LEAF = ((50, 4), (60, 26), (78, 18), (72, 44), (96, 46), (76, 64), (80, 78), (54, 74), (52, 97))
"""The right half of a maple leaf, in a square of a hundred, from its tip to its stalk."""


def a_logo() -> bytes:
    """Return the school's logo: a leaf of a maple."""
    left = [(100 - x, y) for x, y in reversed(LEAF)]
    size = 320
    picture = Image.new("RGB", (size, size), "white")
    outline = [(x * size / 100, y * size / 100) for x, y in (*LEAF, *left)]
    ImageDraw.Draw(picture).polygon(outline, fill="#8f3d1f")
    written = io.BytesIO()
    picture.resize((160, 160), Image.Resampling.LANCZOS).save(written, "PNG")
    return written.getvalue()


def issue(
    term: uuid.UUID, *, teacher: Membership, office: Membership, written: Origin, issued: Origin
) -> None:
    """Let a teacher write a remark on each pupil of the home group, and the office issue their
    cards."""
    logo.put(a_logo(), by=office, origin=issued)
    saved = propose(_remarks(term), by=teacher, origin=written, whole=True)
    at = written.at + dt.timedelta(hours=20)
    changes = [change.pk for change in saved.changes]
    review.approve(changes, school=office.school, by=office, origin=Origin(at=at, ip=issued.ip))
    of = Term.objects.get(pk=term)
    card_runs.ask(card_scope.find(f"group:{GROUP}", of), of, by=office, origin=issued)
    while card_runs.make_next(office.school, at=issued.at):
        pass


def begin(term: uuid.UUID, *, teacher: Membership, written: Origin) -> None:
    """Let a teacher write the first remarks on the home group; they wait."""
    propose(_remarks(term, few=6), by=teacher, origin=written, whole=True)


def _remarks(term: uuid.UUID, few: int | None = None) -> list[Draft]:
    pupils = Student.objects.filter(home_group=GROUP).order_by("number")[:few]
    drafts = []
    for number, pupil in enumerate(pupils):
        text = names.REMARKS[number % len(names.REMARKS)].format(name=pupil.given_names)
        drafts += creation("remark", {"student": str(pupil.pk), "term": str(term), "text": text})
    return drafts
