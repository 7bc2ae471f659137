from django.apps import AppConfig


class StudentsConfig(AppConfig):
    name = "students"
    never_deleted = ("students_programme",)

    def ready(self) -> None:
        from . import tracked  # noqa: F401 - it registers what the ledger tracks
