from django.apps import AppConfig


class ChangesConfig(AppConfig):
    name = "changes"
    verbose_name = "Changes"
    append_only = {
        "changes_changeset": [],
        "changes_change": ["status", "position", "decision_id", "decided_by_id"],
        "changes_decision": [],
        "changes_exclusion": ["lifted_by_id"],
    }
    never_deleted = ("changes_ledgerhead",)

    def ready(self) -> None:
        from accounts import outbox

        from . import unusual_mail

        outbox.COMPOSERS.append(unusual_mail.compose)
