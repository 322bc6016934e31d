"""What the exit code of a trainer process says; it never explains a negative one, the signal that ended a process."""

import os
import signal

DONE = 0
FAILED = 1
REFUSED = 2
# Told to stop; a checkpoint is there, and the same command goes on from it: sysexits' "try again later".
STOPPED = os.EX_TEMPFAIL
# Told to stop; there is nothing to go on from, and the same command begins anew.
TERMINATED = 128 + signal.SIGTERM
