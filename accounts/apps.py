from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People"
    append_only: dict[str, list[str]] = {
        "accounts_auditlog": [],
        "accounts_disclosure": [],
    }
    never_deleted = ("accounts_school", "accounts_user", "accounts_membership")

    def ready(self) -> None:
        from . import checks, privileges, sign_in  # noqa: F401 - they register on import
