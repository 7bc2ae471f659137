from django.apps import AppConfig


class GradingConfig(AppConfig):
    name = "grading"
    append_only = {
        "grading_gradecorrection": ["status", "approved_by_id", "approved_at", "decision_id"],
        "grading_coursechangehistory": [],
        "grading_gradingscale": ["retired_at"],
        "grading_gradingstep": [],
        "grading_handin": [],
        "grading_extension": [],
    }

    def ready(self) -> None:
        from accounts import outbox

        from . import (
            decided_mail,
            tracked,  # noqa: F401 - it registers what the ledger tracks
        )

        outbox.COMPOSERS.append(decided_mail.compose)
