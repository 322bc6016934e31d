"""Assets lead to their code and their pages: on the remote where its pages are known, else in this folder."""

from pathlib import Path

import dagster as dg
import pytest

from assets.train import train_asset
from axiom_dagster.definitions import defs
from axiom_dagster.source_links import PAGES, Remote, linked, remote_of

ROOT = Path(__file__).parents[2]
GITHUB = Remote("https://github.com/lab/rl", "main")


def checkout(folder: Path, url: str, head: str = "ref: refs/heads/main") -> Path:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text(f"{head}\n")
    (folder / ".git" / "config").write_text(f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {url}\n\tfetch = +x\n')
    return folder


def references(asset: dg.AssetsDefinition) -> dict[str, str]:
    """What is said of an asset's code and pages, as text."""
    (metadata,) = asset.metadata_by_key.values()
    (code,) = metadata["dagster/code_references"].code_references
    return {"code": code.source} | {name: str(page.value) for name, page in metadata.items() if name.startswith("page")}


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://github.com/lab/rl.git", GITHUB),
        ("https://github.com/lab/rl", GITHUB),
        ("git@github.com:lab/rl.git", GITHUB),
        ("ssh://git@github.com:22/lab/rl", GITHUB),
        ("https://someone:ghp_secret@github.com/lab/rl", GITHUB),
        ("https://gitlab.example.org/group/sub/rl.git", Remote("https://gitlab.example.org/group/sub/rl", "main")),
        ("https://git.example.org/lab/rl", None),
        ("/srv/git/rl.git", None),
        ("../github/rl", None),
        ("", None),
    ],
)
def test_a_remote_is_its_pages_without_user_or_token(tmp_path: Path, url: str, found: Remote | None) -> None:
    assert remote_of(checkout(tmp_path, url)) == found


def test_a_commit_that_is_checked_out_is_the_revision(tmp_path: Path) -> None:
    remote = remote_of(checkout(tmp_path, "https://github.com/lab/rl", head="a" * 40))
    assert remote == Remote("https://github.com/lab/rl", "a" * 40)


def test_where_there_is_no_repository_references_are_paths(tmp_path: Path) -> None:
    (asset,) = linked([train_asset()], tmp_path)
    said = references(asset)
    assert said["code"].startswith(str(ROOT / "assets" / "train.py:"))
    assert said["page: spec"] == str(tmp_path / "docs" / "spec.md")


def test_where_there_is_a_remote_references_are_addresses(tmp_path: Path) -> None:
    root = checkout(tmp_path, "git@github.com:lab/rl.git")
    (asset,) = linked([train_asset()], root)
    said = references(asset)
    assert said["code"].startswith("https://github.com/lab/rl/tree/main/")
    assert said["page: spec"] == "https://github.com/lab/rl/blob/main/docs/spec.md"


def test_every_stage_has_pages_and_every_page_exists() -> None:
    assets = [asset for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition)]
    assert {asset.key.to_user_string() for asset in assets} == set(PAGES)
    for page in {name for names in PAGES.values() for name in names}:
        assert (ROOT / "docs" / f"{page}.md").is_file(), page
