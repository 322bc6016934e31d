"""A person at the Dagster UI: changes one value in the Launchpad, launches, and sees the learning curve."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.wait import WebDriverWait

from tests.end_to_end.pictures import save

LAUNCHPAD = "/locations/axiom_dagster.definitions/jobs/train_and_eval/playground"
STAGES = "/locations/axiom_dagster.definitions/asset-groups/experiment"
EDITOR = "document.querySelector('.CodeMirror').CodeMirror"


def button(words: str) -> tuple[str, str]:
    return By.XPATH, f"//button[normalize-space()='{words}']"


def click(browser: Any, place: tuple[str, str], seconds: float = 20) -> None:
    WebDriverWait(browser, seconds).until(expected.element_to_be_clickable(place)).click()


def words(browser: Any) -> str:
    """All that the page shows."""
    return browser.find_element(By.TAG_NAME, "body").text


@pytest.mark.browser
def test_a_changed_value_is_launched_from_the_launchpad_and_its_learning_curve_is_seen(
    web: Any, browser: Any, tiny: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    browser.get(web.url + LAUNCHPAD)
    WebDriverWait(browser, 30).until(expected.presence_of_element_located((By.CSS_SELECTOR, ".CodeMirror")))
    offered = WebDriverWait(browser, 20).until(
        lambda b: yaml.safe_load(b.execute_script(f"return {EDITOR}.getValue()"))
    )
    assert offered["ops"]["train"]["config"]["trainer"]["optimizer"]["learning_rate"] > 0

    config = {"ops": {"train": {"config": tiny("typed", optimizer={"learning_rate": 0.00025})}}}
    browser.execute_script(f"{EDITOR}.setValue(arguments[0])", yaml.safe_dump(config))
    wait_for(browser.find_element(*button("Launch Run")).is_enabled, seconds=20)
    save(browser, "launchpad")
    click(browser, button("Launch Run"))
    WebDriverWait(browser, 20).until(expected.url_contains("/runs/"))
    run_id = browser.current_url.partition("/runs/")[2][:36]
    wait_for(lambda: web.status(run_id) in ("SUCCESS", "FAILURE"), seconds=90)
    assert web.status(run_id) == "SUCCESS"

    (manifest,) = web.home.manifests("typed")
    assert manifest["run_id"] == run_id
    assert manifest["spec"]["trainer"]["optimizer"]["learning_rate"] == 0.00025

    browser.get(web.url + STAGES)
    WebDriverWait(browser, 60).until(lambda b: words(b).count("Materialized") == 3)
    save(browser, "asset_graph")

    browser.get(web.url + "/assets/analyze")
    browser.set_window_size(1500, 2000)
    WebDriverWait(browser, 60).until(lambda b: "duration_seconds" in words(b) and "Fresh" in words(b))
    save(browser, "analyze")
    click(browser, (By.XPATH, "//tr[.//span[text()='learning_curve']]//a[text()='[Show Markdown]']"))
    picture = (By.CSS_SELECTOR, "img[alt='learning_curve']")
    image = WebDriverWait(browser, 20).until(expected.visibility_of_element_located(picture))
    wait_for(lambda: image.get_property("naturalWidth") > 600, seconds=10)


@pytest.mark.browser
def test_a_bad_value_in_the_launchpad_is_refused_before_a_run_exists(
    web: Any, browser: Any, tiny: Callable[..., Any]
) -> None:
    browser.get(web.url + LAUNCHPAD)
    WebDriverWait(browser, 30).until(expected.presence_of_element_located((By.CSS_SELECTOR, ".CodeMirror")))
    config = {"ops": {"train": {"config": tiny("refused", minibatch_size=255)}}}
    browser.execute_script(f"{EDITOR}.setValue(arguments[0])", yaml.safe_dump(config))

    click(browser, button("Launch Run"))
    words = (By.XPATH, "//*[contains(text(), 'batch_size = 512 is not divisible by minibatch_size = 255')]")
    WebDriverWait(browser, 20).until(expected.presence_of_element_located(words))
    assert "refused" not in str(web.ask("{ runsOrError { ... on Runs { results { runConfigYaml } } } }"))
    assert list(web.home.path.glob("runs/refused-*")) == []


@pytest.mark.slow
@pytest.mark.browser
def test_an_op_is_swapped_in_the_launchpad_and_stands_in_the_manifest_of_the_materialization(
    web: Any, browser: Any, tiny: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    browser.get(web.url + LAUNCHPAD)
    WebDriverWait(browser, 30).until(expected.presence_of_element_located((By.CSS_SELECTOR, ".CodeMirror")))
    WebDriverWait(browser, 20).until(lambda b: yaml.safe_load(b.execute_script(f"return {EDITOR}.getValue()")))
    config = {
        "ops": {"train": {"config": tiny("swapped")}},
        "resources": {"compute_advantage": {"config": {"op": {"vtrace": {"rho_clip": 0.75}}}}},
    }
    browser.execute_script(f"{EDITOR}.setValue(arguments[0])", yaml.safe_dump(config))
    click(browser, button("Launch Run"))
    WebDriverWait(browser, 20).until(expected.url_contains("/runs/"))
    run_id = browser.current_url.partition("/runs/")[2][:36]
    wait_for(lambda: web.status(run_id) in ("SUCCESS", "FAILURE"), seconds=90)
    assert web.status(run_id) == "SUCCESS"

    query = (
        "query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset { assetMaterializations(limit: 1) "
        "{ runId metadataEntries { label ... on JsonMetadataEntry { jsonString } } } } } }"
    )
    (made,) = web.ask(query, {"key": {"path": ["train"]}})["assetOrError"]["assetMaterializations"]
    (manifest,) = (json.loads(each["jsonString"]) for each in made["metadataEntries"] if each["label"] == "manifest")
    assert made["runId"] == run_id
    swapped = manifest["overrides"]["train.compute_advantage"]
    assert (swapped["implementation"], swapped["params"]) == ("vtrace", {"rho_clip": 0.75, "c_clip": 1.0})
    assert manifest["spec"]["overrides"] == {"train.compute_advantage": {"vtrace": swapped["params"]}}


@pytest.mark.slow
@pytest.mark.browser
def test_runs_of_an_experiment_are_seen_as_a_matrix_and_a_cell_shows_its_own_record(
    web: Any, browser: Any, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    arms = {"gae": {}, "vtrace": {"overrides": {"compute_advantage": "vtrace"}}}
    file = tmp_path / "matrix.yaml"
    file.write_text(json.dumps({"name": "matrix", "base": tiny("base"), "arms": arms, "seeds": [7, 8]}))
    with web.home.start("axiom", "run", str(file), "--json", stdout=subprocess.PIPE) as process:
        runs = json.loads(process.communicate(timeout=400)[0].splitlines()[-1])["runs"]

    browser.get(web.url + "/assets/variants/train?view=partitions")
    for key in ("7", "matrix/vtrace"):
        WebDriverWait(browser, 60).until(lambda b, key=key: key in words(b).splitlines())
        click(browser, (By.XPATH, f"//*[text()='{key}']"))
    (of_cell,) = (run for run in runs if (run["variant"], run["seed"]) == ("vtrace", 7))
    WebDriverWait(browser, 60).until(lambda b: of_cell["instance_name"] in words(b))
    save(browser, "matrix")
