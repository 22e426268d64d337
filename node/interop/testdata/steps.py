"""What the Python scenarios share: their arguments, their "ok" lines and their complaints."""

import os
import sys
import time

BOOTSTRAP, PREFIX = sys.argv[1:3]

# How many brokers there are, and how many replicas new topics shall have.
BROKERS = int(os.environ.get("INTEROP_BROKERS", "1"))
REPLICAS = min(BROKERS, 3)

# The server only pretends to be a broker: leave out what only a whole one answers.
STAND_IN = os.environ.get("INTEROP_STAND_IN") == "1"


def name(what):
    """A topic or group name that no other run uses."""
    return f"{PREFIX}-{what}"


def ok(step):
    print("ok:", step, flush=True)


def want(got, wanted, what):
    """Ends the program unless the two are equal."""
    if got != wanted:
        sys.exit(f"FAILED: {what}: got {got!r}, wanted {wanted!r}")


def want_true(truth, what):
    """Ends the program unless truth holds."""
    if not truth:
        sys.exit(f"FAILED: {what}")


def want_error(error, action, what):
    """Ends the program unless action raises the error; gives the error."""
    try:
        result = action()
    except error as e:
        return e
    sys.exit(f"FAILED: {what}: wanted {error}, got no error and {result!r}")


def until(predicate, what, seconds=15):
    """Waits for the predicate to give something true, and gives it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = predicate()
        if result:
            return result
        time.sleep(0.05)
    sys.exit(f"FAILED: {what}: not within {seconds} seconds")
