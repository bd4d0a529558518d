#!/bin/sh
# Is this worker able to work? Its program runs, and where the host promised a GPU the driver answers.
set -eu
tr '\0' ' ' < /proc/1/cmdline | grep -q gpu_worker || { echo "the worker is not running"; exit 1; }
if [ -e /dev/nvidiactl ] && ! nvidia-smi -L > /dev/null; then
    echo "the GPU's driver does not answer"
    exit 1
fi
