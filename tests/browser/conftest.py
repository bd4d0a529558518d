"""The console's tests need what `make test-browser` installs; without it they are not even looked at."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("playwright") else ["test_console*.py"]
