"""The WSGI application that gunicorn serves."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "schoolmarks.settings")
application = get_wsgi_application()

# What is loaded by now stays. Else each full collection of garbage walks all of it again, in the
# midst of a request that has many rows in hand: a third of Python's time in approving 5,000.
gc.collect()
gc.freeze()
