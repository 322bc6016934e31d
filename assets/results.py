"""Evaluation results as rows: for the UI's table, for Markdown and for CSV; it computes nothing new."""

import csv
import io
from collections.abc import Mapping

import dagster as dg

from trainer.contract import SimulationResult

Results = Mapping[str, SimulationResult]
Row = dict[str, str | int | float | bool]


def result_rows(results: Results) -> list[Row]:
    """One row a simulation: the agent's and the random policy's mean with their 95 % intervals."""
    return [
        {
            "simulation": name,
            "mean_reward": result.mean_reward,
            "low": result.reward.low,
            "high": result.reward.high,
            "random_mean": result.random_reward.mean,
            "random_low": result.random_reward.low,
            "random_high": result.random_reward.high,
            "times_random": "" if result.times_random is None else result.times_random,
            "apart": result.apart,
            "episodes": len(result.episodes),
        }
        for name, result in results.items()
    ]


def shown_rows(results: Results) -> list[dict[str, str]]:
    """The rows as people read them, numbers to four digits."""
    return [_shown(row) for row in result_rows(results)]


def results_table(results: Results) -> dg.TableMetadataValue:
    """The rows as the UI shows them, numbers to four digits."""
    return dg.MetadataValue.table([dg.TableRecord(row) for row in shown_rows(results)])


def results_markdown(results: Results) -> str:
    """The rows as a Markdown table."""
    rows = shown_rows(results)
    if not rows:
        return "No simulation was evaluated.\n"
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def results_csv(results: Results) -> str:
    """The rows as CSV, every number whole."""
    rows = result_rows(results)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["simulation"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _shown(row: Row) -> dict[str, str]:
    return {key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in row.items()}
