"""The Hypothesis profiles; the variable HYPOTHESIS_PROFILE chooses one."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline anywhere: how long an example takes on a busy machine says nothing about the code.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
