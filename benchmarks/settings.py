"""The settings of production, with static files in a folder that nobody else uses."""

import os
from pathlib import Path

from schoolmarks.settings import *  # noqa: F403 - they are these settings

STATIC_ROOT = Path(os.environ["STATIC_FOLDER"])
