"""The pages of marks."""

from django.urls import path

from .views import (
    beside,
    classes,
    decided,
    details,
    files,
    hand_in,
    missing_pupil,
    my_changes,
    my_comments,
    pupil,
    remarks,
    sheet,
    transcript,
)

urlpatterns = [
    path("start/", classes.start, name="start"),
    path("classes/", classes.classes, name="classes"),
    path("classes/<uuid:section_id>/", sheet.sheet, name="sheet"),
    path("classes/<uuid:section_id>/cells/", sheet.save_cells, name="save-cells"),
    path("classes/<uuid:section_id>/pupil/", missing_pupil.look_for, name="missing-pupil"),
    path("classes/<uuid:section_id>/pupil/enrol/", missing_pupil.enrol, name="enrol-pupil"),
    path("classes/<uuid:section_id>/pupil/new/", missing_pupil.create, name="new-pupil"),
    path(
        "classes/<uuid:section_id>/pupil/<uuid:enrollment_id>/",
        pupil.pupil,
        name="pupil-in-class",
    ),
    path(
        "classes/<uuid:section_id>/pupil/<uuid:enrollment_id>/leave/",
        pupil.leave,
        name="pupil-leaves",
    ),
    path(
        "classes/<uuid:section_id>/pupil/<uuid:enrollment_id>/details/",
        details.of_pupil,
        name="pupil-details",
    ),
    path(
        "classes/<uuid:section_id>/pupil/<uuid:enrollment_id>/beside/",
        beside.beside,
        name="beside",
    ),
    path(
        "classes/<uuid:section_id>/pupil/<uuid:enrollment_id>/beside/keep/",
        beside.keep,
        name="keep-comment",
    ),
    path(
        "classes/<uuid:section_id>/details/",
        details.of_section,
        name="section-details",
    ),
    path(
        "classes/<uuid:section_id>/instead/<uuid:enrollment_id>/",
        missing_pupil.instead,
        name="other-pupil",
    ),
    path("classes/<uuid:section_id>/hand-in/", hand_in.hand_in_page, name="hand-in"),
    path("classes/<uuid:section_id>/marks.xlsx", files.as_file, {"kind": "xlsx"}, name="xlsx"),
    path("classes/<uuid:section_id>/marks.csv", files.as_file, {"kind": "csv"}, name="csv"),
    path("classes/<uuid:section_id>/upload/", files.look_at_file, name="upload"),
    path("classes/<uuid:section_id>/upload/save/", files.save_file, name="save-upload"),
    path("pupils/<uuid:student_id>/transcript/", transcript.transcript, name="transcript"),
    path("pupils/<uuid:student_id>/transcript.pdf", transcript.as_pdf, name="transcript-pdf"),
    path("my-changes/", my_changes.my_changes, name="my-changes"),
    path("my-changes/decided/", decided.decided_page, name="decided"),
    path("my-changes/moved/", decided.moved_page, name="moved-marks"),
    path("my-changes/moved/details/", decided.details_page, name="moved-details"),
    path("my-changes/decided/seen/", decided.seen, name="decided-seen"),
    path("my-changes/decided/mail/", decided.mail, name="decided-mail"),
    path("my-changes/<uuid:change_id>/withdraw/", my_changes.withdrawal, name="withdraw"),
    path("my-changes/<uuid:change_id>/again/", my_changes.again, name="propose-again"),
    path("remarks/", remarks.of_group, name="remarks"),
    path("my-comments/", my_comments.my_comments, name="my-comments"),
    path("my-comments/<uuid:comment_id>/", my_comments.comment, name="my-comment"),
    path("my-comments/<uuid:comment_id>/remove/", my_comments.remove, name="remove-comment"),
]
