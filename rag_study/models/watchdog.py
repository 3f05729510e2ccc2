"""A command that ends with whoever has started it, however that one ends.

    python watchdog.py COMMAND [ARGUMENT ...]

The starter holds the other end of standard input. Once it is closed (the starter lets go, fails, or
is killed), or the starter is no longer the parent, the command and everything that it has started
are ended: told first, and killed where they do not listen. This file imports nothing of the
package, so that it is there in a moment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import psutil

# Seconds that processes have to end by themselves before they are killed.
GRACE_S = 15.0
_STEP_S = 0.2
# <linux/prctl.h>: a signal where the parent dies; processes whose parent has died become ours.
_PARENT_DEATH_SIGNAL, _SUBREAPER = 1, 36


def main(command: list[str]) -> int:
    """Run a command; its exit code, 0 where it was ended because nobody is left who wants it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    libc, starter = ctypes.CDLL(None), os.getppid()
    libc.prctl(_SUBREAPER, 1, 0, 0, 0)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            # Where this process is killed itself.
            preexec_fn=lambda: libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0),
        )
        while child.poll() is None and os.getppid() == starter and not _let_go():
            pass
        return child.poll() or 0
    finally:
        _end_all()


def _let_go() -> bool:
    """Waits a moment; whether the starter has closed its end of standard input."""
    readable, _, _ = select.select([0], [], [], _STEP_S)
    return bool(readable) and not os.read(0, 4096)


def _end_all() -> None:
    """End every process below this one, also those that have lost their own parents."""
    until, told = time.monotonic() + GRACE_S, set()
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        below = psutil.Process().children(recursive=True)
        if not below:
            return
        late = time.monotonic() > until
        for process in below:
            if late or process.pid not in told:
                told.add(process.pid)
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(_STEP_S / 4)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
