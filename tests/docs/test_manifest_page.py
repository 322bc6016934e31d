"""The page and the JSON Schema of manifests say what the models say, and nothing is missing from them."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trainer.contract import (
    Artifact,
    Code,
    Compute,
    Environment,
    Episode,
    FrozenModel,
    Interval,
    InterventionRecord,
    Manifest,
    OpRecord,
    RunDirectory,
    SimulationResult,
    StoppedAt,
    Tracking,
    create_quick_experiment,
    describe_machine,
    manifest_schema,
    record_code,
    this_process,
)

DOCS = Path(__file__).parents[2] / "docs"
MODELS = (
    Manifest,
    Environment,
    Code,
    Compute,
    Tracking,
    StoppedAt,
    InterventionRecord,
    Artifact,
    OpRecord,
    SimulationResult,
    Interval,
    Episode,
)


def test_the_published_schema_is_the_models_own() -> None:
    assert (DOCS / "manifest.schema.json").read_text() == manifest_schema(), "run `make docs`"


def test_no_model_is_missing_from_the_page() -> None:
    assert {*json.loads(manifest_schema())["$defs"], "Manifest"} == {model.__name__ for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_the_page_has_a_table_of_every_field_in_its_order_with_its_meaning(model: type[FrozenModel]) -> None:
    rows = [f"| `{name}` | {field.description} |" for name, field in model.model_fields.items()]
    assert "\n".join(["| field | meaning |", "|---|---|", *rows]) + "\n\n" in (DOCS / "manifest.md").read_text()


def test_every_link_of_the_page_leads_to_a_file() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", (DOCS / "manifest.md").read_text()):
        assert (DOCS / link).exists(), link


def test_a_real_manifest_holds_to_the_published_schema(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    run, spec, now = RunDirectory(tmp_path / "run"), create_quick_experiment(), datetime.now(UTC)
    code = record_code(run, "train")
    manifest = Manifest(
        stage="train",
        instance_name="run",
        status="failed",
        error="ValueError: no",
        stopped_at=StoppedAt(step="train.updates#1.rollout"),
        started_at=now,
        ended_at=now,
        spec=spec.plain(),
        spec_hash=spec.spec_hash,
        environment=describe_machine().with_fingerprint(code.files),
        code=code,
        compute=Compute(kind="local", process=this_process()),
        artifacts=(Artifact.of(run.stage("train") / "code_files.json", run),),
    )
    schema = json.loads((DOCS / "manifest.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(manifest.plain(), schema)
    for broken in ({"schema_version": 1}, {"status": "fine"}, {"extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**manifest.plain(), **broken}, schema)
