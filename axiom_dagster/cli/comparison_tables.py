"""A comparison on the terminal: one line a variant in each simulation, then what to know of it; it computes nothing."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from assets.report.comparison import Against, Comparison, Score
from assets.report.variants import value_words
from assets.report.verdict import comparison_verdicts, difference_words, probability_words, seeds_words
from axiom_dagster.summary import wide_console

COLORS = {"better": "green", "worse": "red", "inconclusive": "yellow"}
WIDEST = 10_000
NUMBERS = ("seeds", "mean", "iqm", "difference", "P(better)", "p", "seeds to decide")


def show_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print a table for each simulation, effects where the variants are a grid, claims, factors and notes.

    A number is never cut: what is wider than the terminal goes on in the next line.
    """
    console = console or wide_console()
    tables = [_table(comparison, simulation) for simulation in comparison.simulations]
    for table in [*tables, *([_effects(comparison)] if comparison.effects else [])]:
        console.width = max(
            console.width, Measurement.get(console, console.options.update(width=WIDEST), table).maximum
        )
        console.print(table)
    claims = comparison.against or [None]
    for verdict, against in zip(comparison_verdicts(comparison), claims, strict=True):
        if against is None or against.verdict.word != "inconclusive" or against.verdict.p_adjusted is None:
            console.print(Text(verdict.words))
    for line in _about(comparison):
        console.print(Text(line, style="dim"))


def _table(comparison: Comparison, simulation: str) -> Table:
    """The baseline first; a number that is not known is a dash."""
    lower = " (lower is better)" if comparison.better == "lower" else ""
    title = f"{simulation}: {comparison.metric}{lower} against {comparison.baseline}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("variant", "seeds", "mean", "iqm", "difference", "P(better)", "p", "verdict", "seeds to decide"):
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    against = {each.arm: each for each in comparison.against if each.simulation == simulation}
    for score in (each for each in comparison.scores if each.simulation == simulation):
        table.add_row(*_row(score, against.get(score.arm), comparison.baseline))
    return table


def _row(score: Score, against: Against | None, baseline: str) -> Iterator[Text]:
    yield from map(Text, (score.arm, str(score.mean.count), str(score.mean), str(score.iqm)))
    if against is None:
        yield from map(Text, ("", "", "", "baseline" if score.arm == baseline else "not compared", ""))
        return
    verdict = against.verdict
    yield Text(difference_words(against.contrast.difference))
    yield Text(probability_words(against.improvement))
    yield Text("–" if verdict.p_adjusted is None else f"{verdict.p_adjusted:.3g}")
    yield Text(verdict.word, style=COLORS[verdict.word])
    yield Text(seeds_words(against))


def _effects(comparison: Comparison) -> Table:
    table = Table(title="effect of each factor", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("simulation", "factor", "from", "to", "effect"):
        table.add_column(name, justify="right" if name == "effect" else "left")
    for simulation, each in comparison.effects:
        words = (simulation, each.factor, each.base, each.value, difference_words(each.estimate))
        table.add_row(*map(Text, words))
    return table


def _about(comparison: Comparison) -> Iterator[str]:
    """What sets each arm apart, then all that is to be said first."""
    for arm in comparison.arms:
        shown = (f"{each.path}: {value_words(each.a, 60)} → {value_words(each.b, 60)}" for each in arm.factors)
        if arm.factors:
            yield f"{arm.name}: {'; '.join(shown)}"
        elif arm.name != comparison.baseline:
            yield f"{arm.name}: no factor of its spec differs"
    yield from comparison.notes
