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
        "grading_notthesame": [],
        "grading_cardrun": ["handled", "finished_at", "cancelled_at"],
        "grading_issuedcard": [],
        "grading_cardofrun": [],
        "grading_cardrelease": [],
    }

    def ready(self) -> None:
        from accounts import jobs, outbox

        from . import (
            card_mail,
            card_runs,
            decided_mail,
            tracked,  # noqa: F401 - it registers what the ledger tracks
        )
        from .oneroster import uploaded, working

        outbox.COMPOSERS.append(decided_mail.compose)
        outbox.ATTACHMENTS[card_mail.KIND] = card_mail.file_of
        jobs.JOBS.append(card_runs.make_next)
        jobs.JOBS.append(working.work_next)
        jobs.JOBS.append(uploaded.forget_old)
