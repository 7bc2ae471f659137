"""The school's logo. Call inside a school.

PNG and JPEG: what browsers and PDFs both show, and nothing of which is a program. Not SVG, which
can hold scripts and ask other hosts for more.
"""

import io

from PIL import Image

from accounts import audit
from accounts.models import AuditLog, Membership, School
from accounts.origin import Origin

from .models import Logo

LARGEST = 200_000  # bytes: each card carries it
LONGEST_SIDE = 2000  # pixels; a small file can unpack to a very large picture
FORMATS = {"PNG": Logo.Kind.PNG, "JPEG": Logo.Kind.JPEG}


class NoLogo(ValueError):
    """The file cannot be the logo. The message is for who uploaded it."""


def of(school: School) -> Logo | None:
    """Return the school's logo, or None. One statement."""
    return Logo.objects.filter(school=school).first()


def name(its: Logo) -> str:
    """Return the name of its file, by which a layout asks for it."""
    return f"logo.{its.kind}"


def files(its: Logo | None) -> dict[str, bytes]:
    """Return what the press needs to print it."""
    return {name(its): bytes(its.image)} if its else {}


def put(content: bytes, *, by: Membership, origin: Origin) -> Logo:
    """Make a picture the logo of the school, in place of the one before.

    The picture is written anew, so that nothing but its pixels is kept: no place, no camera, no
    text that hides behind them.

    Raises:
        NoLogo: it is too large, or no picture in one of the two formats.
    """
    if len(content) > LARGEST:
        raise NoLogo(
            f"This file has {len(content) // 1000:,} kB, and {LARGEST // 1000} kB is the most: "
            "every card carries it. Save the picture smaller."
        )
    image, kind = _pixels(content)
    found, _ = Logo.objects.update_or_create(
        school=by.school, defaults={"image": image, "kind": kind}
    )
    audit.record(
        AuditLog.Event.PEOPLE,
        origin=origin,
        school=by.school,
        user=by.user,
        detail="policy changed: logo",
    )
    return found


def remove(*, by: Membership, origin: Origin) -> None:
    """Have no logo any more."""
    if Logo.objects.filter(school=by.school).delete()[0]:
        audit.record(
            AuditLog.Event.PEOPLE,
            origin=origin,
            school=by.school,
            user=by.user,
            detail="policy changed: logo removed",
        )


def _pixels(content: bytes) -> tuple[bytes, Logo.Kind]:
    no_picture = "This file is no PNG or JPEG picture. Save the logo as one of these."
    try:
        with Image.open(io.BytesIO(content), formats=list(FORMATS)) as picture:
            if max(picture.size) > LONGEST_SIDE:  # said by the file's head: nothing is unpacked yet
                width, height = picture.size
                raise NoLogo(
                    f"This picture has {width} by {height} pixels, and {LONGEST_SIDE:,} each way "
                    "is the most. Save it smaller."
                )
            kind = FORMATS[picture.format or ""]
            picture.load()
            pixels = picture.convert("RGBA" if kind == Logo.Kind.PNG else "RGB")
    except NoLogo:
        raise
    except Exception as error:  # Pillow's readers raise whatever a broken file makes them
        raise NoLogo(no_picture) from error
    written = io.BytesIO()
    if kind == Logo.Kind.PNG:
        pixels.save(written, "PNG", optimize=True)
    else:
        pixels.save(written, "JPEG", quality=90)
    return written.getvalue(), kind
