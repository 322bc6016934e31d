"""An experiment runs through Dagster's job, and its handle says how it went, whoever asks."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.storage.tags import GRPC_INFO_TAG

import axiom_dagster
from axiom_dagster import (
    InProcessCompute,
    Refused,
    RunHandle,
    TrainAndEvalExperiment,
    all_runs,
    create_experiment,
    create_quick_experiment,
)
from resources.home import dagster_instance
from trainer.contract.processes import has_ended, interrupt, this_process

FAKE = InProcessCompute(module="fake_trainer")


@pytest.fixture
def experiment(home: Path) -> Callable[..., TrainAndEvalExperiment]:
    return lambda **fields: TrainAndEvalExperiment(create_quick_experiment(**fields)).prepare()


def test_a_run_gives_its_manifest_as_the_quick_start_reads_it(experiment: Callable[..., Any], home: Path) -> None:
    result = experiment(controls={"seed": 4}).run("with_custom_advantage", compute=FAKE)
    manifest = result.manifest()
    assert manifest["eval_results"]["arena/basic"]["mean_reward"] == 4.0
    assert (manifest["stage"], result.manifest("train")["stage"]) == ("analyze", "train")
    assert (result.status, result.error) == ("succeeded", None)
    assert result.tags["axiom/tag"] == "with_custom_advantage"
    assert result.directory == home / "runs" / result.instance_name
    assert any("train 1/1 (100%)" in line for line in result.logs())


def test_a_failed_run_says_so_and_why(experiment: Callable[..., Any]) -> None:
    result = experiment(description="fail evaluate").run(compute=FAKE)
    assert result.status == "failed"
    assert "the loss is gone" in result.error
    assert result.manifest()["status"] == "failed"
    assert result.manifest("train")["status"] == "succeeded"
    with pytest.raises(Refused, match=r"no analyze has ended; the run is failed: .*the loss is gone"):
        result.manifest("analyze")


def test_a_stage_that_does_not_exist_is_refused_with_the_nearest(experiment: Callable[..., Any]) -> None:
    with pytest.raises(Refused, match="did you mean 'evaluate'"):
        experiment().run(compute=FAKE).manifest("evaluat")


@pytest.mark.parametrize("tag", ["", "../up", "a b", "x" * 81])
def test_a_tag_that_cannot_name_a_run_is_refused_before_a_run_exists(experiment: Callable[..., Any], tag: str) -> None:
    with pytest.raises(Refused, match="a tag is 1 to 80"):
        experiment().run(tag, compute=FAKE)
    assert all_runs() == []


def test_an_unknown_environment_is_refused_before_anything_is_made(home: Path) -> None:
    spec = create_experiment(trainer={"curriculum": {"env": {"id": "CartPole-v9"}}})
    with pytest.raises(Refused, match=r"trainer\.curriculum\.env\.id = 'CartPole-v9': unknown environment"):
        TrainAndEvalExperiment(spec).run()
    assert not home.exists() or list(home.rglob("*")) == []


def test_any_object_that_computes_can_be_given(experiment: Callable[..., Any]) -> None:
    class Mine:
        def run(self, *given: Any) -> Any:
            return FAKE.run(*given)

    assert experiment().run(compute=Mine()).status == "succeeded"


def test_runs_are_listed_newest_first_and_found_by_name_id_and_beginning(experiment: Callable[..., Any]) -> None:
    first, second = (experiment().run(compute=FAKE) for _ in range(2))
    assert [handle.run_id for handle in all_runs()] == [second.run_id, first.run_id]
    for name in (first.instance_name, first.run_id, first.run_id[:13]):
        assert RunHandle.of(name).run_id == first.run_id
    with pytest.raises(Refused, match=f"did you mean '{first.instance_name}'"):
        RunHandle.of(first.instance_name[:-1])


def test_the_compute_is_recorded_so_that_the_ui_can_repeat_the_run(experiment: Callable[..., Any]) -> None:
    result = experiment().run(compute=FAKE)
    run = result.instance.get_run_by_id(result.run_id)
    assert run.job_name == "train_and_eval"
    assert run.run_config["resources"]["compute"]["config"]["backend"] == {"in_process": {"module": "fake_trainer"}}
    assert run.run_config["ops"]["train"]["config"] == create_quick_experiment().plain()


def test_an_interrupt_cancels_the_run_and_gives_the_handle(experiment: Callable[..., Any], home: Path) -> None:
    def interrupt_when_it_hangs() -> None:
        wait_for(lambda: list(home.glob("runs/*/train/processes.json")))
        (handle,) = all_runs()
        assert handle.status == "running"
        assert handle.cancel()

    thread = threading.Thread(target=interrupt_when_it_hangs)
    thread.start()
    result = experiment(description="wait train").run(compute=FAKE)
    thread.join()
    assert result.status == "cancelled"
    assert result.cancel() is False


def test_a_run_whose_process_is_gone_is_cancelled_without_it(experiment: Callable[..., Any]) -> None:
    instance = experiment()._instance
    job = axiom_dagster.experiment._job()
    run = instance.create_run_for_job(job, tags={"axiom/process": f"{os.uname().nodename} 999999 1"})
    instance.report_run_canceling(run, "as if it had begun")
    handle = RunHandle(run.run_id, instance)
    assert handle.cancel()
    assert handle.status == "cancelled"


def test_a_run_of_another_machine_is_not_cancelled_from_here(experiment: Callable[..., Any]) -> None:
    instance = experiment()._instance
    tags = {"axiom/process": f"elsewhere {os.getpid()} 1"}
    job, started = axiom_dagster.experiment._job(), dg.DagsterRunStatus.STARTED
    handle = RunHandle(instance.create_run_for_job(job, status=started, tags=tags).run_id, instance)
    assert not handle.cancel()
    assert handle.status == "running"


def test_a_run_whose_code_server_is_gone_is_told_of_and_not_an_error(
    experiment: Callable[..., Any], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    instance = experiment()._instance
    nobody = json.dumps({"host": "localhost", "socket": str(tmp_path / "gone")})
    job, started = axiom_dagster.experiment._job(), dg.DagsterRunStatus.STARTED
    run = instance.create_run_for_job(job, status=started, tags={GRPC_INFO_TAG: nobody})
    assert not RunHandle(run.run_id, instance).cancel()
    assert "its code server is gone" in caplog.text


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    host, _, start = this_process().split()
    theirs = Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()[19]
    assert not interrupt(f"{host} {sleeper.pid} {int(theirs) - 1}")
    assert not interrupt(f"elsewhere {sleeper.pid} {theirs}")
    assert sleeper.poll() is None
    assert interrupt(f"{host} {sleeper.pid} {theirs}")
    assert sleeper.wait(20) == -signal.SIGINT
    assert has_ended(f"{host} {sleeper.pid} {theirs}") and not has_ended(f"{host} {os.getpid()} {start}")


def test_a_re_execution_from_failure_builds_on_the_training_of_the_failed_run(
    experiment: Callable[..., Any], home: Path
) -> None:
    failed = experiment(controls={"seed": 3}, description="fail evaluate").run(compute=FAKE)
    experiment(controls={"seed": 4}).run(compute=FAKE)
    (home / "runs" / "healed").touch()
    job = ReconstructableRepository.for_module("axiom_dagster.definitions", "defs", None).get_reconstructable_job(
        "train_and_eval"
    )
    with dagster_instance() as instance:
        options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
        with dg.execute_job(job, instance, reexecution_options=options) as result:
            assert result.success
            again = RunHandle.of(result.run_id)
    assert again.instance_name != failed.instance_name
    assert again.manifest("analyze")["metrics"]["reward"] == 3.0
    assert again.manifest("evaluate")["parents"]["train"] == failed.read("train").digest
    assert not (again.directory / "train").exists()


def test_terminating_the_worker_of_a_run_stops_the_trainer_and_its_workers(
    home: Path, fake_trainer_environment: dict[str, str]
) -> None:
    program = (
        "from axiom_dagster import *\n"
        "spec = create_quick_experiment(description='hang train')\n"
        f"compute = LocalCompute(env={fake_trainer_environment!r}, grace_seconds=1.0)\n"
        "result = TrainAndEvalExperiment(spec).prepare().run(compute=compute)\n"
        "print(result.status)\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    (file,) = wait_for(lambda: list(home.glob("runs/*/train/processes.json")))
    worker.send_signal(signal.SIGTERM)
    # Nobody cancelled the run at Dagster, so Dagster says that it failed: run_retries may try it again.
    assert worker.communicate(timeout=30)[0].strip() == "failed"
    for pid in json.loads(file.read_text()):
        assert wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists()), "a process of the trainer is left"


def test_two_runs_at_once_never_read_each_other(home: Path) -> None:
    program = (
        "import sys; from axiom_dagster import *\n"
        "spec = create_quick_experiment(controls={'seed': int(sys.argv[1])}, description='meet')\n"
        "print(TrainAndEvalExperiment(spec).prepare().run(compute=InProcessCompute(module='fake_trainer')).run_id)\n"
    )
    fakes = str(Path(__file__).parents[1] / "resources" / "fakes")
    workers = {
        seed: subprocess.Popen(
            [sys.executable, "-c", program, str(seed)],
            env={**os.environ, "PYTHONPATH": fakes},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for seed in (3, 4)
    }
    # Neither evaluates before both have trained: "the latest training" would be wrong for one of them.
    handles = {seed: RunHandle.of(worker.communicate(timeout=90)[0].strip()) for seed, worker in workers.items()}
    for seed, handle in handles.items():
        assert handle.status == "succeeded"
        assert handle.manifest()["eval_results"]["arena/basic"]["mean_reward"] == seed
        assert handle.read("evaluate").parents["train"] == handle.read("train").digest
    assert handles[3].instance_name != handles[4].instance_name


def test_handing_names_on_loads_neither_dagster_nor_the_engine() -> None:
    program = (
        "import sys, axiom_dagster\n"
        "axiom_dagster.create_quick_experiment()\n"
        "print(sorted({'dagster', 'torch', 'gymnasium', 'mettagrid', 'matplotlib'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_name_that_is_handed_on_is_there() -> None:
    for name in axiom_dagster.__all__:
        assert getattr(axiom_dagster, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'create_fast_experiment'"):
        axiom_dagster.create_fast_experiment  # noqa: B018


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


@pytest.fixture
def fake_trainer_environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    package = tmp_path / "fake" / "trainer"
    package.mkdir(parents=True)
    real = Path(axiom_dagster.__file__).parents[1] / "trainer"
    (package / "__init__.py").write_text(f"__path__.append({str(real)!r})\n")
    (package / "__main__.py").write_text("from fake_trainer import main\nraise SystemExit(main())\n")
    fakes = Path(__file__).parents[1] / "resources" / "fakes"
    yield {"PYTHONPATH": os.pathsep.join([str(package.parent), str(fakes)])}
