from django.contrib.admin.apps import AdminConfig


class OfficeAdminConfig(AdminConfig):
    """Django's admin, served by the office's own site: its door is ``in_school``."""

    default_site = "changes.office_site.OfficeSite"
