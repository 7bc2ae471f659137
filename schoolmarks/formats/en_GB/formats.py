"""A day's twenty-four hours: "9 Nov 2026, 14:30"."""

DATETIME_FORMAT = "j M Y, H:i"
