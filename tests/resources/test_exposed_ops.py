"""Every exposed step is one resource, derived from the declaration and the registered ops."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.exposed_ops import ExposedOp, op_classes, op_resources, resource_classes
from trainer.algorithm.declaration import exposed
from trainer.algorithm.imported import Imported
from trainer.contract import Refused
from trainer.ops.adam import Adam
from trainer.ops.gae import Gae
from trainer.ops.op import implementations
from trainer.ops.vtrace import VTrace

ROOT = Path(__file__).parents[2]
ComputeAdvantage = resource_classes()["ComputeAdvantage"]
VTRACE = {"vtrace": {"rho_clip": 2.0, "c_clip": 1.0}}


def own_advantage(experience: Any) -> Any:
    return Gae()(experience)


def fields(config_type: Any) -> dict[str, dg.Field]:
    return config_type.fields


def through_dagster(config: dict[str, Any]) -> ExposedOp:
    """The value that a step gets."""
    found: list[ExposedOp] = []

    @dg.op(required_resource_keys={"compute_advantage"})
    def step(context: dg.OpExecutionContext) -> None:
        found.append(context.resources.compute_advantage)

    @dg.job(resource_defs={"compute_advantage": op_resources()["compute_advantage"]})
    def job() -> None:
        step()

    job.execute_in_process(run_config={"resources": {"compute_advantage": {"config": config}}} if config else {})
    return found[0]


def test_the_keys_are_the_last_parts_of_the_exposed_paths() -> None:
    assert list(op_resources()) == [path.rpartition(".")[2] for path in exposed()]
    assert [kind.path for kind in resource_classes().values()] == list(exposed())


def test_each_key_offers_what_is_declared_every_registered_op_and_ones_own() -> None:
    for key, resource in op_resources().items():
        op = fields(resource.config_schema.config_type)["op"]
        assert set(fields(op.config_type)) == {"declared", "imported", *implementations().get(key, {})}
        for name, model in implementations().get(key, {}).items():
            offered = fields(fields(op.config_type)[name].config_type)
            assert set(offered) == set(model.model_fields)
            assert all(field.description for field in offered.values())
        assert op.default_value == {"declared": {}}


def test_what_the_launchpad_gives_is_what_python_gives() -> None:
    assert through_dagster({}).choice is ComputeAdvantage().choice is None
    assert through_dagster({"op": {"declared": {}}}).choice is None
    assert through_dagster({"op": {"vtrace": {"rho_clip": 2}}}).choice == VTRACE
    assert ComputeAdvantage(op=VTrace(rho_clip=2.0)).choice == VTRACE
    assert ComputeAdvantage(op={"vtrace": {"rho_clip": 2}}).choice == VTRACE
    assert ComputeAdvantage(op="vtrace").choice == ComputeAdvantage(op=VTrace()).choice
    target = {"imported": {"target": "mine:mine", "params": {"a": [1, {"b": None}]}}}
    assert (
        through_dagster({"op": target}).choice == ComputeAdvantage(op=Imported(**target["imported"])).choice == target
    )


@pytest.mark.parametrize(
    ("op", "words"),
    [
        ({"vtrac": {}}, 'unexpected config entry "vtrac"'),
        ({"vtrace": {"rho_clip": 0}}, "rho_clip = 0.0: should be greater than 0"),
        ({"gae": {"lambda": 1.0}}, 'unexpected config entry "lambda"'),
        ({"imported": {"target": "no colon"}}, "target = 'no colon'"),
        ({"vtrace": {}, "gae": {}}, "You can only specify a single field"),
    ],
)
def test_bad_config_is_refused_when_the_plan_is_made(op: dict[str, Any], words: str) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError) as refused:
        through_dagster({"op": op})
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (Adam(), "= 'adam': is an op of adam_step; allowed: gae, imported, monte_carlo, td_lambda, vtrace"),
        ("vtrac", "= 'vtrac': no such implementation; did you mean 'vtrace'?"),
        ({"vtrace": {"rho_clip": 0}}, ".vtrace.rho_clip = 0: should be greater than 0"),
        (lambda experience: None, "a resource must be data"),
        ({"function": {"label": "a:b", "digest": ""}}, "a resource must be data"),
        (7, "= 7: is no op"),
    ],
)
def test_a_wrong_op_is_refused_where_it_is_given(op: Any, words: str) -> None:
    with pytest.raises(Refused) as refused:
        ComputeAdvantage(op=op)
    assert str(refused.value).startswith("train.compute_advantage") and words in str(refused.value)


def test_a_function_of_a_module_is_named_by_where_it_can_be_imported() -> None:
    target = f"{__name__}:own_advantage"
    assert ComputeAdvantage(op=own_advantage).choice == {"imported": {"target": target, "params": {}}}


def test_every_op_and_every_resource_has_a_name_of_its_own_that_the_package_hands_on() -> None:
    import axiom_dagster

    ops = [op for slot in implementations().values() for op in slot.values()]
    assert len(op_classes()) == len(ops) + 1
    assert not set(op_classes()) & set(resource_classes())
    assert not {*op_classes(), *resource_classes()} & set(axiom_dagster.__all__)
    assert axiom_dagster.ComputeAdvantage is ComputeAdvantage
    assert axiom_dagster.VTrace is VTrace
    assert {"VTrace", "ComputeAdvantage", "Imported"} <= set(dir(axiom_dagster))


def test_a_newly_exposed_step_and_a_new_op_module_need_no_second_edit(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "trainer", tmp_path / "trainer", ignore=shutil.ignore_patterns("__pycache__"))
    declaration = tmp_path / "trainer" / "algorithm" / "declaration.py"
    report = '.io("report", Method("report"))'
    assert report in declaration.read_text()
    declaration.write_text(declaration.read_text().replace(report, '.io("report", Method("report"), expose=True)'))
    vtrace = (ROOT / "trainer" / "ops" / "vtrace.py").read_text()
    newest = vtrace.replace("class VTrace", "class Newest").replace('"vtrace"', '"newest"')
    (tmp_path / "trainer" / "ops" / "newest.py").write_text(newest)
    program = (
        "import axiom_dagster, axiom_dagster.definitions as d, dagster as dg\n"
        "job = d.defs.resolve_job_def('train_and_eval')\n"
        "ops = {'compute_advantage': {'newest': {'rho_clip': 2.0}}, 'report': {'imported': {'target': 'a:b'}}}\n"
        "config = {'resources': {key: {'config': {'op': op}} for key, op in ops.items()}}\n"
        "print(dg.validate_run_config(job, config)['resources']['compute_advantage'])\n"
        "print(axiom_dagster.ComputeAdvantage(op=axiom_dagster.Newest()).choice, axiom_dagster.Report.path)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "{'config': {'op': {'newest': {'rho_clip': 2.0, 'c_clip': 1.0}}}}",
        "{'newest': {'rho_clip': 1.0, 'c_clip': 1.0}} train.report",
    ]
