"""Settings of one installation, all of them from the environment.

| variable           | what it is                                                   | default      |
|--------------------|--------------------------------------------------------------|--------------|
| DEBUG              | 1 on a developer's machine, never where real pupils are     | 0            |
| SECRET_KEY         | a long random text that sessions and tokens are signed with  | required     |
| ALLOWED_HOSTS      | the names that the site is reached by, with commas between   | required     |
| DATABASE_URL       | the database, as the role that serves and owns nothing       | required     |
| DATABASE_OWNER_URL | the same, as the role that owns the tables and migrates      | DATABASE_URL |
| TRUSTED_PROXIES    | how many proxies of ours stand before this process           | 0            |
| EMAIL_HOST         | the mail server; also EMAIL_PORT, EMAIL_HOST_USER,           | mail is      |
|                    | EMAIL_HOST_PASSWORD, EMAIL_USE_TLS                           | printed      |
| MAIL_FROM          | the sender of mail                                           | see below    |
| SITE_URL           | where people reach the site, for links in mail               | https:// and |
|                    |                                                              | the first of |
|                    |                                                              | the hosts    |
| INSECURE_HTTP      | 1 serves without TLS, for a try: cookies go unsecured        | 0            |

With DEBUG off a missing required variable stops the start and names all that are missing.
"""

import os
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in {"1", "true", "yes", "on"}


DEBUG = _flag("DEBUG")

_missing = [
    name for name in ("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL") if not os.environ.get(name)
]
if _missing and not DEBUG:
    raise ImproperlyConfigured(
        f"schoolmarks does not start without {', '.join(_missing)}. Set each in the environment, "
        "or set DEBUG=1 on a developer's machine."
    )

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-development")
if not DEBUG and (len(SECRET_KEY) < 32 or SECRET_KEY == "only-for-development"):  # noqa: S105 - it is the value that is refused
    raise ImproperlyConfigured(
        "SECRET_KEY is shorter than 32 characters: set a long random one, for example from "
        "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'."
    )
ALLOWED_HOSTS = [
    host.strip()
    for host in os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")
    if host.strip()
]

# The database, twice: as the role that serves, and as the one that owns the tables. ------------


def _database(url: str) -> dict[str, Any]:
    config: dict[str, Any] = dict(dj_database_url.parse(url))
    config["ENGINE"] = "django.db.backends.postgresql"
    # A pool checks a connection before lending it only when CONN_HEALTH_CHECKS is on, and works
    # only with CONN_MAX_AGE 0: without the first, each request fails once the server was restarted.
    config["CONN_MAX_AGE"] = 0
    config["CONN_HEALTH_CHECKS"] = True
    return config


DATABASES: dict[str, dict[str, Any]] = {
    "default": _database(os.environ.get("DATABASE_URL", "postgresql:///schoolmarks"))
}
if not DEBUG:
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": 8}
if os.environ.get("DATABASE_OWNER_URL"):
    DATABASES["owner"] = _database(os.environ["DATABASE_OWNER_URL"])
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What is installed. -------------------------------------------------------------------------------

INSTALLED_APPS = [
    "accounts",
    "changes",
    "students",
    "grading",
    "schoolmarks.apps.OfficeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "pgtrigger",
    "allauth",
    "allauth.account",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "accounts.middleware.RefuseWhatNoPageSends",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.school",
                "grading.decided.unseen",
            ],
        },
    },
]
ROOT_URLCONF = "schoolmarks.urls"
WSGI_APPLICATION = "schoolmarks.wsgi.application"

# Language and time: each school shows its own time zone (accounts.in_school activates it). -------

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = ["schoolmarks.formats"]
TIME_ZONE = "UTC"

# Static files. ------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# Sign-in. -----------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "start"
ACCOUNT_ADAPTER = "accounts.sign_in.Adapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # the office typed the address; nobody signs up
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_PREVENT_ENUMERATION = True
# A staff room stands behind one address: five slips by anybody must not lock everybody out.
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "30/5m/ip,5/5m/key"}

# The number of proxies of ours. Read by accounts.client_ip, and by allauth for its rate limits.
TRUSTED_PROXIES = int(os.environ.get("TRUSTED_PROXIES", "0"))
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES

# In the database, because local memory is one per process: with it, of 60 parallel wrong passwords
# 10 were evaluated where the limit is 5.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "accounts_cache",
    }
}

# The browser: nothing from elsewhere, nothing inline, everything over TLS. ------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}
_TLS = not DEBUG and not _flag("INSECURE_HTTP")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _TLS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 60 * 60
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if _TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _TLS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # asked from within, past the proxy that speaks TLS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Bytes; a sheet of 60 long comments has 0.3 million. Of a file too, but where a page asks for more.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

# Mail. --------------------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = SERVER_EMAIL = os.environ.get("MAIL_FROM", "schoolmarks@localhost")
# The worker writes mail too, and is asked by no browser under which name the site is reached.
SITE_URL = (
    os.environ.get("SITE_URL")
    or ("http://127.0.0.1:8000" if DEBUG else f"https://{ALLOWED_HOSTS[0].lstrip('.')}")
).rstrip("/")
EMAIL_SUBJECT_PREFIX = ""
EMAIL_HOST = os.environ.get("EMAIL_HOST", "")
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "25"))
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = _flag("EMAIL_USE_TLS")
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.console.EmailBackend"
)
