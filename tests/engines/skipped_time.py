"""Waits cut short by SFN_WAIT_SCALE. What is left out of each is recorded, a JSON line each in the file SKIPPED_TIME_LOG, so that
the fault matrix can tell when CodeDeploy would have had a status."""

import json
import os
import re
import time

SCALE = float(os.environ["SFN_WAIT_SCALE"])

log = os.open(os.environ["SKIPPED_TIME_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def shorten(seconds, about, scale=SCALE):
    """The seconds to wait in place of these. `about` is anything with the id of the deployment or the execution in it."""
    seconds = max(seconds, 0)
    ids = sorted(set(re.findall("d-[A-Za-z0-9]*", about)))
    skipped = {"ids": ids, "at": time.time(), "seconds": seconds * (1 - scale)}
    # One write: entries of several processes and threads don't mix.
    os.write(log, (json.dumps(skipped) + "\n").encode())
    return seconds * scale
