"""What a job may cost and has cost: price times time; it asks nobody for a price and spends nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime

from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.remote import Offer, RemoteJob
from trainer.contract import FrozenModel, Refused

SECONDS_PER_HOUR = 3600.0


class Estimate(FrozenModel):
    """What is known of a job's price before it runs; dollars are none where no price is known."""

    dollars_per_hour: float | None
    most_dollars: float | None
    budget_dollars: float | None

    def __str__(self) -> str:
        if self.dollars_per_hour is None or self.most_dollars is None:
            return "no price is known"
        bound = "no budget" if self.budget_dollars is None else f"budget ${self.budget_dollars:.2f}"
        return f"${self.dollars_per_hour:.2f} an hour, at most ${self.most_dollars:.2f} ({bound})"

    def within_budget(self) -> "Estimate":
        """The same; raises `Refused` where a budget is set and the worst case is above it, or no price is known."""
        if self.budget_dollars is None:
            return self
        if self.most_dollars is None:
            why = "no price is known for these resources, so the budget cannot be kept; give `hourly_dollars`"
            raise Refused.one("skypilot.budget_dollars", self.budget_dollars, why)
        if self.most_dollars > self.budget_dollars:
            why = (
                f"the job may cost ${self.most_dollars:.2f} (${self.dollars_per_hour:.2f} an hour × max_runtime × "
                "(1 + restarts)); raise the budget, or lower max_runtime_minutes, max_restarts_on_errors or the price"
            )
            raise Refused.one("skypilot.budget_dollars", self.budget_dollars, why)
        return self


def estimate_of(config: SkypilotJobConfig, offers: Sequence[Offer]) -> Estimate:
    """The worst case: price × max_runtime × (1 + restarts).

    The price is the config's own, else that of the cheapest offer, the one that SkyPilot takes first. With SkyPilot
    moving on where that one is sold out, the price may be higher; time that a preemption made void comes on top.
    """
    known = [offer.dollars_per_hour for offer in offers if offer.dollars_per_hour is not None]
    price = config.hourly_dollars if config.hourly_dollars is not None else min(known, default=None)
    restarts = config.max_restarts_on_errors if config.job_mode == "managed" else 0
    hours = config.max_runtime_minutes / 60 * (1 + restarts)
    most = None if price is None else price * hours
    return Estimate(dollars_per_hour=price, most_dollars=most, budget_dollars=config.budget_dollars)


def accrued_dollars(job: RemoteJob, dollars_per_hour: float | None, now: datetime | None = None) -> float | None:
    """Price × the time since the job first ran, until it ended or `now`; none where there is no price or no start."""
    if dollars_per_hour is None or job.started_at is None:
        return None
    end = job.ended_at or now or datetime.now(UTC)
    return dollars_per_hour * max(0.0, (end - job.started_at).total_seconds()) / SECONDS_PER_HOUR
