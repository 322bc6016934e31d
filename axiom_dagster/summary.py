"""The summary of a run for people: results, pace, and where everything is; it reads manifests and computes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

from trainer.contract import Interval, Manifest, Refused, SimulationResult

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from axiom_dagster.run_handle import RunHandle

PLOT = "analyze/learning_curve.png"
STATUS_COLORS = {"succeeded": "green", "failed": "red", "cancelled": "yellow"}


def last_manifest(handle: "RunHandle") -> Manifest | None:
    """The manifest of the last stage that ended; none if no stage did."""
    try:
        return handle.read()
    except Refused:
        return None


def plot_of(handle: "RunHandle") -> Path | None:
    """The learning curve, if it was drawn."""
    file = handle.directory / PLOT
    return file if file.is_file() else None


def wide_console(*, stderr: bool = False) -> "Console":
    """A console that neither cuts nor wraps names, numbers and paths: people copy them, programs read them."""
    from rich.console import Console

    console = Console(stderr=stderr, soft_wrap=True, highlight=False)
    console.width = max(console.width, 110)
    return console


def show_summary(handle: "RunHandle", *, to_stderr: bool) -> None:
    """Print the summary of a run, as far as it came."""
    console = wide_console(stderr=to_stderr)
    manifest = last_manifest(handle)
    console.print()
    console.print(f"[bold]{handle.instance_name}[/]  {_colored(handle.status)}")
    if handle.error:
        console.print(handle.error, style="red", markup=False)
    if manifest is not None:
        if manifest.eval_results:
            console.print(results_table(manifest))
        console.print(_pace(manifest), markup=False)
    for name, place in _places(handle, manifest):
        console.print(f"{name:<10} {place}", markup=False)


def results_table(manifest: Manifest) -> "Table":
    """One row a simulation: agent and random policy with their 95 % intervals."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("simulation", no_wrap=True)
    for column in ("mean reward\n[95 %]", "random policy\n[95 %]", "times\nrandom", "intervals\napart"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, result in manifest.eval_results.items():
        table.add_row(name, *_cells(result))
    return table


def _cells(result: SimulationResult) -> tuple[str, str, str, str]:
    times = "-" if result.times_random is None else f"{result.times_random:.1f}"
    return _interval(result.reward), _interval(result.random_reward), times, "yes" if result.apart else "no"


def _interval(interval: Interval) -> str:
    return rf"{interval.mean:.3g} \[{interval.low:.3g}, {interval.high:.3g}]"


def _pace(manifest: Manifest) -> str:
    """What training took, of what its metrics tell."""
    sentences = {
        "agent_steps": "{:,.0f} agent-steps",
        "seconds": "in {:,.1f} s",
        "steps_per_second": "({:,.0f} steps/s)",
    }
    parts = [
        text.format(value) for name, text in sentences.items() if (value := manifest.metrics.get(name)) is not None
    ]
    return f"trained {' '.join(parts)}" if parts else ""


def _places(handle: "RunHandle", manifest: Manifest | None) -> list[tuple[str, str]]:
    plot = plot_of(handle)
    places = [("plot", str(plot))] if plot else []
    if manifest is not None and (begun := manifest.spec.get("resume_from")):
        places.append(("began with", begun["run"]))
    if manifest is not None:
        places.append(("manifest", str(handle.directory / manifest.stage / "manifest.json")))
    if handle.directory.is_dir():
        places.append(("directory", str(handle.directory)))
    return [*places, ("UI", f"make ui (or: axiom ui), then http://127.0.0.1:3000/runs/{handle.run_id}")]


def _colored(status: str) -> str:
    return f"[{STATUS_COLORS.get(status, 'cyan')}]{status}[/]"


def clock(seconds: float) -> str:
    """`0:07`, `12:34`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
