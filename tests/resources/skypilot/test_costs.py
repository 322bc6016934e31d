"""Price times time, in numbers that can be checked by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from resources.skypilot.costs import accrued_dollars, estimate_of
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.remote import JobState, Offer, RemoteJob
from trainer.contract import Refused

START = datetime(2026, 1, 1, tzinfo=UTC)


def offer(dollars: float | None) -> Offer:
    return Offer(infra="aws/us-east-1", resources="1x H100", nodes=1, dollars_per_hour=dollars)


def test_the_worst_case_is_price_times_runtime_times_all_tries() -> None:
    config = SkypilotJobConfig(artifacts="s3://b", max_runtime_minutes=90, max_restarts_on_errors=2)
    estimate = estimate_of(config, [offer(None), offer(3.0), offer(2.0)])
    assert (estimate.dollars_per_hour, estimate.most_dollars) == (2.0, 9.0)
    assert str(estimate) == "$2.00 an hour, at most $9.00 (no budget)"


def test_a_job_on_a_cluster_is_not_begun_again_and_costs_one_try() -> None:
    config = SkypilotJobConfig(max_runtime_minutes=60, max_restarts_on_errors=2, hourly_dollars=5)
    assert estimate_of(config, [offer(1.0)]).most_dollars == 5.0


@pytest.mark.parametrize(("price", "words"), [(1.01, "may cost $1.01"), (None, "give `hourly_dollars`")])
def test_a_budget_refuses_what_may_cost_more_and_what_has_no_price(price: float | None, words: str) -> None:
    config = SkypilotJobConfig(budget_dollars=1, max_runtime_minutes=60)
    with pytest.raises(Refused, match=r"budget_dollars = 1\.0") as refused:
        estimate_of(config, [offer(price)]).within_budget()
    assert words in str(refused.value)
    assert estimate_of(config, [offer(1.0)]).within_budget().most_dollars == 1.0


def test_what_has_accrued_counts_from_the_first_second_that_ran_to_the_end() -> None:
    job = RemoteJob(job_id=1, name="axiom-x", mode="managed", state=JobState.RUNNING)
    assert accrued_dollars(job, 2.0) is None
    begun = job.model_copy(update={"started_at": START})
    assert accrued_dollars(begun, None) is None
    assert accrued_dollars(begun, 2.0, START + timedelta(minutes=15)) == 0.5
    ended = begun.model_copy(update={"ended_at": START + timedelta(minutes=30)})
    assert accrued_dollars(ended, 2.0, START + timedelta(days=1)) == 1.0
