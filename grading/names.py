"""What pupils are called, as their author sees them."""

from changes.overlay import Record


def pupil_name(student: Record | None) -> str:
    """Return "Abbott, Ada", also of a pupil of one's own who was declined."""
    if student is None:
        return "(unknown pupil)"
    names = [last_known(student, field) or "" for field in ("family_name", "given_names")]
    return ", ".join(name for name in names if name) or "(no name)"


def last_known(record: Record, field: str) -> str | None:
    """Return what the author sees in a cell, or else what they last proposed there."""
    cell = record.cell(field)
    return cell.value if cell.value is not None else cell.mine.value if cell.mine else None
