"""A person at a report: the page of a real run and that of a comparison, opened in a browser without a network."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from selenium.webdriver.common.by import By

from tests.end_to_end.pictures import save


def shown(browser: Any) -> list[Any]:
    """The pictures that are visible now."""
    return [image for image in browser.find_elements(By.TAG_NAME, "img") if image.is_displayed()]


def look_through(browser: Any, page: Path, at_least: int) -> None:
    """Open a page: every visible picture has been decoded, the toggle exchanges them, and nothing is complained of."""
    browser.get(page.as_uri())
    light = shown(browser)
    assert len(light) >= at_least
    ground = "return getComputedStyle(document.body).backgroundColor"
    colors = [browser.execute_script(ground)]
    browser.find_element(By.ID, "theme").click()
    dark = shown(browser)
    colors.append(browser.execute_script(ground))
    assert len(set(colors)) == 2
    assert {image.id for image in light} != {image.id for image in dark} and len(light) == len(dark)
    assert all(image.get_property("naturalWidth") > 300 for image in [*light, *dark])
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


@pytest.fixture
def trained(home: Any, tiny: Callable[..., Any], tmp_path: Path) -> Path:
    """A real run: trained, evaluated, analyzed; its directory."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump(tiny("looked-at")))
    ended = home.run("axiom", "run", str(spec), "--json")
    assert ended.returncode == 0, ended.stderr
    (run,) = home.path.glob("runs/looked-at-*")
    return run


@pytest.mark.browser
def test_a_report_and_a_comparison_are_read_without_network_in_light_and_dark(
    home: Any, browser: Any, trained: Path
) -> None:
    report = trained / "analyze" / "report.html"
    assert report.stat().st_size < 3_000_000
    look_through(browser, report, at_least=6)
    browser.set_window_size(1180, 1500)
    save(browser, "report_dark")
    browser.find_element(By.ID, "theme").click()
    save(browser, "report")

    another = shutil.copytree(trained, trained.with_name("looked-at-again"))
    ended = home.run("axiom", "report", str(trained), str(another), "--json")
    assert ended.returncode == 0, ended.stderr
    (comparison,) = (home.path / "reports").iterdir()
    assert comparison.stat().st_size < 3_000_000
    look_through(browser, comparison, at_least=1)
    assert "2 runs in 1 variant" in browser.find_element(By.CLASS_NAME, "lead").text
