from typing import Any

import pytest

from trainer.pipeline import Pipeline
from trainer.plain.refusal import Refused


def same(x: Any) -> Any:
    return x


def drawn() -> Pipeline:
    optimizer = Pipeline("optimizer").stage("adam_step", same, expose=True)
    update = Pipeline("update").stage("loss", same, expose=True).join("optimizer", optimizer)
    loaded = Pipeline("loaded").io("load", same)
    return (
        Pipeline("experiment")
        .repeat("updates", update, times=3)
        .branch("pick", bool, optimizer, loaded)
        .join("evaluate", optimizer, expose=True)
        .require_join("analyze")
        .override("updates.loss", same)
        .override("evaluate", loaded)
    )


def test_text_shows_the_nesting_and_marks_exposed_overridden_and_open_steps() -> None:
    assert drawn().render("text") == "\n".join(
        [
            "experiment",
            "  updates [repeat x3]",
            f"    loss [stage, exposed, overridden by {__name__}:same]",
            "    optimizer [join]",
            "      adam_step [stage, exposed]",
            "  pick [branch]",
            "    then:",
            "      adam_step [stage, exposed]",
            "    otherwise:",
            "      load [io]",
            "  evaluate [join, exposed, overridden by pipeline loaded]",
            "    load [io]",
            "  analyze [require_join, hole]",
        ]
    )


def test_mermaid_draws_subgraphs_arrows_and_classes() -> None:
    lines = [line.strip() for line in drawn().render("mermaid").splitlines()]
    assert lines[0] == "flowchart TD"
    assert sum(line.startswith("subgraph") for line in lines) == sum(line == "end" for line in lines) == 6
    assert 'subgraph n0 ["updates<br/>repeat x3"]' in lines
    assert {"class n1 overridden", "class n3 exposed", "n1 --> n2", "n0 --> n4", 'subgraph n4_then ["then"]'} <= {
        *lines
    }
    assert "class n9 hole" in lines
    defined = {line.split()[1] for line in lines if line.startswith("classDef")}
    assert defined == {line.split()[2] for line in lines if line.startswith("class ")}


def test_mermaid_escapes_what_would_break_a_label() -> None:
    text = Pipeline("p").stage("a", same, expose=True).override("a", lambda x: x).render("mermaid")
    assert "#lt;lambda#gt;" in text and "<lambda>" not in text


def test_an_unknown_form_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refused, match="allowed: mermaid, text"):
        Pipeline("p").render("svg")  # type: ignore[arg-type]


def test_steps_tell_kind_and_flags() -> None:
    steps = {step.path: step for step in drawn().steps()}
    assert (steps["updates.loss"].kind, steps["updates.loss"].exposed, steps["updates.loss"].overridden) == (
        "stage",
        True,
        True,
    )
    assert (steps["analyze"].kind, steps["analyze"].exposed, steps["analyze"].hole) == ("require_join", False, True)
    assert steps["pick.otherwise.load"].kind == "io"
