#!/bin/sh
# The `rushes` command as the service's own user and with its settings, for root on the server.
exec runuser -u rushes -- env -C /opt/rushes DATA_DIR=/var/lib/rushes HOME=/var/lib/rushes /opt/rushes/.venv/bin/rushes "$@"
