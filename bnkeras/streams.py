"""Standard streams: closed ones, poor encodings, readers that leave, one line for what is wrong, libraries' noise."""

import contextlib
import os
import sys


def complete_streams():
    """Stand in for streams that were closed, and for letters that the output's encoding does not have."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115 - it gets the number that is free
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def fail(message, code):
    """Print a message in one line to standard error, and return the exit code."""
    print(f"bnkeras: {' '.join(str(message).split())}", file=sys.stderr)
    return code


def show_warning(message, *_, **__):
    """Print a warning in one line, above a progress bar where there is one."""
    from tqdm.auto import tqdm

    tqdm.write(f"bnkeras: {' '.join(str(message).split())}", file=sys.stderr)


def flushed(code):
    """Write out what was printed; return the exit code, or 141 if its reader has left, 2 if it can't be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes the rest on its way out
        return 141 if isinstance(error, BrokenPipeError) else fail(error, 2)
    return code


@contextlib.contextmanager
def without_start_up_logs():
    """A context that leaves out what TensorFlow's libraries write to the standard error while they are loaded.

    They write past Python and past `TF_CPP_MIN_LOG_LEVEL`, of processors and of GPUs that are not there. What goes
    wrong is raised all the same.
    """
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
