from django.contrib.admin import AdminSite


class OfficeSite(AdminSite):
    pass
