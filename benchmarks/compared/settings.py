"""A small project: the libraries as their documentation installs them."""

import os
from typing import Any

import dj_database_url

SCHEMA = "compared"
SECRET_KEY = os.environ["SECRET_KEY"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES: dict[str, Any] = {"default": dj_database_url.parse(os.environ["DATABASE_OWNER_URL"])}
DATABASES["default"]["OPTIONS"] = {"options": f"-c search_path={SCHEMA}"}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "pgtrigger",
    "pghistory",
    "reversion",
    "simple_history",
    "auditlog",
    "benchmarks.compared",
]
