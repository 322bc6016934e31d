"""Waits for a job to end, and says what becomes of it; it holds no SkyPilot, and neither launches nor cancels.

Once a second it looks whether another watcher has come and whether the log has ended; it asks SkyPilot seldom.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from resources.skypilot.costs import Estimate, accrued_dollars
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.job_reader import JobLogReader
from resources.skypilot.remote import JobState, RemoteJob, SkyPilot, SkyPilotError
from trainer.contract import Lease

LOOK_SECONDS = 1.0
AFTER_LOG_SECONDS = 5.0
COST_SECONDS = 3600.0


@dataclass
class Watch:
    """One watcher of one job; `say` and `warn` write to the run's log, `note` keeps the job as it was seen."""

    sky: SkyPilot
    config: SkypilotJobConfig
    lease: Lease
    reader: JobLogReader
    estimate: Estimate
    say: Callable[[str], Any]
    warn: Callable[[str], Any]
    note: Callable[[RemoteJob], Any]
    _warned: set[str] = field(default_factory=set[str])
    _cost_said: float = field(default_factory=time.monotonic)
    _runs_since: float = field(default_factory=time.monotonic)

    def until_ended(self, job: RemoteJob) -> RemoteJob:
        """The job once it can never run again; raises `Superseded` where another watcher has come."""
        asked = time.monotonic()
        while not job.state.final:
            log_ended = self._look()
            if time.monotonic() - asked >= self._pause(log_ended):
                job, asked = self._ask(job), time.monotonic()
        self.say(f"{_words(job)}{self._cost(job)}")
        return job

    def _pause(self, log_ended: bool) -> float:
        """Seconds between two questions: few once the log has ended, since the job soon has too."""
        return min(self.config.poll_seconds, AFTER_LOG_SECONDS) if log_ended else self.config.poll_seconds

    def _look(self) -> bool:
        """Whether the log has ended, after a second at most."""
        self.lease.hold()
        log_ended = self.reader.wait(min(LOOK_SECONDS, self.config.poll_seconds))
        if log_ended:
            # The log comes back by itself where it broke off; where it has ended, `wait` returns at once.
            time.sleep(min(LOOK_SECONDS, self.config.poll_seconds))
        return log_ended

    def _ask(self, job: RemoteJob) -> RemoteJob:
        try:
            now = self.sky.status(job)
        except SkyPilotError as error:
            self._once("lost", f"SkyPilot cannot be asked for job {job.job_id}, and is asked again: {error.said}")
            return job
        self._warned.discard("lost")
        if now.state is not JobState.UNKNOWN and now != job:
            self.note(now)
        if (now.state, now.recoveries) != (job.state, job.recoveries) and not now.state.final:
            self.say(_words(now))
        if now.state is JobState.RUNNING:
            self._listen(now)
        else:
            self._runs_since = time.monotonic()
        self._say_cost(now)
        return now

    def _listen(self, job: RemoteJob) -> None:
        """Warn, once each time, of a job that runs and says nothing, or talks and gets nowhere."""
        now, limit = time.monotonic(), self.config.stall_seconds
        heard = max(self.reader.last_heard, self._runs_since)
        progress = max(self.reader.last_progress, self._runs_since)
        silent, stuck = now - heard > limit, heard - progress > limit
        self._warn_while(silent, "silent", f"job {job.job_id} has said nothing for {limit:.0f} s; does it hang?")
        self._warn_while(
            stuck and not silent, "stuck", f"job {job.job_id} speaks, but has made no progress for {limit:.0f} s"
        )

    def _warn_while(self, true: bool, kind: str, text: str) -> None:
        if true:
            self._once(kind, text)
        else:
            self._warned.discard(kind)

    def _once(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self.warn(text)

    def _say_cost(self, job: RemoteJob) -> None:
        if time.monotonic() - self._cost_said > COST_SECONDS and (cost := self._cost(job)):
            self._cost_said = time.monotonic()
            self.say(f"job {job.job_id}{cost}")

    def _cost(self, job: RemoteJob) -> str:
        accrued = accrued_dollars(job, self.estimate.dollars_per_hour)
        most = self.estimate.most_dollars
        return "" if accrued is None or most is None else f"; ${accrued:.2f} so far, of at most ${most:.2f}"


def _words(job: RemoteJob) -> str:
    recovered = f", recovered {job.recoveries} time(s)" if job.recoveries else ""
    why = f": {job.failure}" if job.failure else ""
    return f"job {job.job_id}: {job.state.value}{recovered}{why}"
