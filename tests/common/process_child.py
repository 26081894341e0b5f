"""A child for the tests of processes, and a parent that starts one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from harness.common import processes


def main(role: str = "lines", *more: str) -> None:
    """Say every line again; or wait for the end of input; or be the parent of such a one.

    Or start a process that knows nothing of all this, and say its number.
    """
    if role == "lines":
        parent = processes.Parent()
        for line in parent.lines():
            print("printed", flush=True)
            parent.send(line + b"\n")
    elif role == "input":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        processes.end_with_parent(*map(float, more))
        print("stubborn", flush=True)
        time.sleep(600)
    elif role == "keeper":
        processes.Parent().send(b"%d\n" % subprocess.Popen(["sleep", "600"]).pid)
        time.sleep(600)
    else:
        process = processes.start("tests.common.process_child", *more)
        print(process.pid, flush=True)
        time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
