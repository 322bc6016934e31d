"""What a fresh interpreter loads, and what it can do without: the house's walls, as Python sees them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ("torch", "gymnasium", "mettagrid", "wandb")
MOST_MODULES = 150  # Of ours, loaded with the definitions.
BLOCK = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ImportError(f"{{name}} is behind the wall")
sys.meta_path.insert(0, Wall())
"""


def interpreter(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_of(package: str) -> list[str]:
    files = (ROOT / package).rglob("*.py")
    names = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)
    return sorted(name.removesuffix(".__init__") for name in names if not name.endswith("__main__"))


def test_the_packages_that_are_loaded_are_ours():
    for package in ("axiom_dagster", "assets", "resources", "trainer"):
        found = interpreter(f"import {package}; print({package}.__file__)").strip()
        assert Path(found) == ROOT / package / "__init__.py"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The names of all modules that are there once the definitions are."""
    return set(interpreter("import sys, axiom_dagster.definitions; print(*sys.modules)").split())


def test_loading_the_definitions_loads_nothing_heavy(loaded):
    assert loaded & {*ENGINE, "sky", "matplotlib", "scipy"} == set()


def test_loading_the_definitions_loads_only_what_a_definition_needs(loaded):
    assert loaded & {"numpy", "PIL", "jinja2", "requests", "rich", "typer", "optuna", "omegaconf"} == set()
    later = ("assets.report", "assets.figures", "assets.replays", "assets.statistics", "axiom_dagster.cli")
    assert [name for name in loaded if name.startswith(later)] == []
    ours = {name for name in loaded if name.startswith(("axiom_dagster", "assets", "resources", "trainer"))}
    assert len(ours) <= MOST_MODULES, "each more makes every code server, run and command start later"


@pytest.mark.parametrize("package", ["axiom_dagster", "assets", "resources"])
def test_the_orchestrators_side_imports_without_torch_or_any_engine(package):
    imports = "\n".join(f"import {module}" for module in modules_of(package))
    interpreter(BLOCK.format(blocked={*ENGINE, "sky"}) + imports)


def test_the_trainer_imports_without_dagster_or_skypilot():
    imports = "\n".join(f"import {module}" for module in modules_of("trainer"))
    interpreter(BLOCK.format(blocked={"dagster", "sky"}) + imports)


def test_contract_ops_and_pipeline_import_with_pydantic_and_yaml_alone():
    packages = ("plain", "pipeline", "ops", "algorithm", "contract")
    imports = "\n".join(f"import {module}" for package in packages for module in modules_of(f"trainer/{package}"))
    blocked = {*ENGINE, "dagster", "dagster_pipes", "sky", "numpy", "scipy", "rich", "typer", "matplotlib"}
    interpreter(BLOCK.format(blocked=blocked) + imports)


def test_the_wall_of_these_tests_holds():
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(blocked={"torch"}) + "import trainer.engine.seeding"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "torch is behind the wall" in done.stderr


@pytest.mark.parametrize("package", ["axiom_dagster", "assets", "resources", "trainer", "benchmarks"])
def test_every_module_says_in_its_first_line_what_it_is(package):
    for path in (ROOT / package).rglob("*.py"):
        assert path.read_text().startswith('"""'), path.relative_to(ROOT)


@pytest.mark.parametrize("package", ["axiom_dagster", "assets", "resources", "trainer", "cookbook"])
def test_no_file_is_longer_than_350_lines_and_none_is_a_drawer(package):
    for path in (ROOT / package).rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 350, path.relative_to(ROOT)
        assert path.stem not in {"utils", "helpers", "common", "misc"}, path.relative_to(ROOT)
