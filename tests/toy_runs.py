"""Runs that train nothing, for the tests of sweeps; every start and end of one is a line in a log."""

import os
import signal
import time
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Toy:
    number: int
    log: str
    does: str = "learn"
    pause: float = 0.0
    sizes: tuple = (1, 2)
    rows: int = 3
    study: ClassVar[str] = "toys"

    def train(self):
        self._note("start")
        time.sleep(self.pause)
        getattr(self, f"_{self.does}")()
        self._note("end")
        loss = float("nan") if self.does == "diverge" else 1 / (1 + self.number)
        rows = [{"epoch": e, "loss": loss / e, "accuracy": 1 - 0.5 / e} for e in range(1, 1 + self.rows)]
        return {"epochs": rows, "percentiles": [{"step": 0, "p50": float(self.number)}], "source": "toys"}

    def _note(self, event):
        line = f"{event} {self.number} {os.getpid()}\n".encode()
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, line)
        os.close(handle)

    def _learn(self):
        pass

    _diverge = _learn

    def _raise(self):
        raise ArithmeticError(f"run {self.number} cannot")

    def _die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def _abort(self):
        os.write(2, b"CHECK failed: a library's last words\n")
        os._exit(7)

    def _die_once(self):
        if len(starts(self.log, self.number)) == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def events(log):
    """Returns the log as a list of `(event, number, pid)`."""
    if not os.path.exists(log):
        return []
    with open(log) as file:
        return [(event, int(number), int(pid)) for event, number, pid in (line.split() for line in file)]


def starts(log, number=None):
    """Returns the starts in the log, of one run where `number` is given."""
    return [event for event in events(log) if event[0] == "start" and number in (None, event[1])]
