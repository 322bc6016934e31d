"""What monitors and hooks did to a stage, as rows and as a table; it judges none of it."""

from dataclasses import dataclass

from trainer.contract import InterventionRecord, Manifest

WORDS = {"stop_early": "stopped the training", "save_checkpoint": "saved a checkpoint", "notify": "said so"}


@dataclass(frozen=True)
class Row:
    """One intervention in words."""

    update: str
    agent_steps: str
    who: str
    what: str
    why: str


def rows_of(manifest: Manifest | None) -> list[Row]:
    """A row for each intervention, in their order; none where the stage has not ended."""
    return [_row(each) for each in manifest.interventions] if manifest else []


def markdown(manifest: Manifest) -> str:
    """The rows as a Markdown table."""
    lines = [f"| {row.update} | {row.who} | {row.what} | {row.why} |" for row in map(_escaped, rows_of(manifest))]
    return "\n".join(["| update | who | what | why |", "|---|---|---|---|", *lines])


def ended_early(manifest: Manifest | None) -> InterventionRecord | None:
    """What ended a training before its last update, though it succeeded; none if nothing did."""
    if manifest is None or manifest.status != "succeeded":
        return None
    stops = (each for each in manifest.interventions if each.intervention == "stop_early" and each.honoured_by)
    return next(stops, None)


def _row(record: InterventionRecord) -> Row:
    return Row(
        update="–" if record.iteration is None else f"{record.iteration:,}",
        agent_steps="–" if record.agent_steps is None else f"{record.agent_steps:,}",
        who=record.monitor or f"hook {record.path}",
        what=WORDS[record.intervention] if record.honoured_by else f"asked for {record.intervention}; nobody did it",
        why=record.reason,
    )


def _escaped(row: Row) -> Row:
    return Row(**{name: text.replace("|", r"\|").replace("\n", " ") for name, text in vars(row).items()})
