"""The patch of a checkout: applied to the commit it gives the work tree, and the checkout never notices."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from trainer.contract import RunDirectory, code_artifacts, record_code
from trainer.contract.checkout import LARGEST_FILE, Checkout, checkout_of

BINARY = bytes(range(256)) * 3


def git(folder: Path, *words: str, given: bytes = b"") -> bytes:
    names = ("-c", "user.name=t", "-c", "user.email=t@t")
    return subprocess.run(["git", *names, *words], cwd=folder, input=given, capture_output=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A commit with a few files, one of them ignored."""
    top = tmp_path / "repository"
    top.mkdir()
    git(top, "init", "-b", "main")
    files = {"code.py": "old\n", "gone.py": "x\n", "script": "#!\n", ".env": "A=old\n", ".gitignore": "ignored*\n"}
    for name, text in files.items():
        (top / name).write_text(text)
    (top / "blob").write_bytes(BINARY)
    (top / "becomes_folder").write_text("a file\n")
    git(top, "add", "-A")
    git(top, "commit", "-m", "first")
    git(top, "remote", "add", "origin", "https://me:remote-secret-1@host/repository")
    return top


def checkout(top: Path) -> Checkout:
    found = checkout_of(top / "code.py")
    assert found is not None
    return found


def applied(top: Path, content: bytes, to: Path) -> dict[str, object]:
    """The tree that a fresh clone becomes with the patch."""
    git(top.parent, "clone", "--no-local", str(top), str(to))
    if content:
        git(to, "apply", "-", given=content)
    return tree(to)


def tree(top: Path) -> dict[str, object]:
    files = [path for path in top.rglob("*") if ".git" not in path.parts and (path.is_symlink() or path.is_file())]
    return {
        str(path.relative_to(top)): path.readlink()
        if path.is_symlink()
        else (path.read_bytes(), os.access(path, os.X_OK))
        for path in files
    }


def test_a_clean_checkout_has_a_commit_a_branch_and_no_patch(repository):
    found = checkout(repository)
    assert (found.commit, found.branch) == (git(repository, "rev-parse", "HEAD").decode().strip(), "main")
    patch = found.patch()
    assert (patch.content, dict(patch.left_out), patch.dirty) == (b"", {}, False)
    git(repository, "checkout", "--detach")
    assert checkout(repository).branch is None


def test_the_patch_gives_the_work_tree_whatever_has_changed(repository, tmp_path):
    (repository / "code.py").write_text("new\r\nwithout a last line end")
    (repository / "gone.py").unlink()
    (repository / "script").chmod(0o755)
    (repository / "blob").write_bytes(BINARY[::-1])
    (repository / "becomes_folder").unlink()
    (repository / "becomes_folder").mkdir()
    (repository / "becomes_folder" / "inside.py").write_text("inside\n")
    (repository / "new folder").mkdir()
    (repository / "new folder" / 'ümläut "quoted".py').write_text("näw\n")
    (repository / "new_blob").write_bytes(BINARY * 2)
    (repository / "empty").write_text("")
    (repository / "link").symlink_to("code.py")
    patch = checkout(repository).patch()
    assert patch.dirty
    assert not patch.left_out
    assert applied(repository, patch.content, tmp_path / "clone") == tree(repository)


def test_what_is_staged_and_the_repositorys_objects_stay_as_they_are(repository):
    (repository / "code.py").write_text("staged\n")
    git(repository, "add", "code.py")
    (repository / "code.py").write_text("in the work tree\n")
    (repository / "untracked.py").write_text("u\n")
    before = {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()}
    content = checkout(repository).patch().content
    assert b"+in the work tree" in content
    assert b"staged" not in content
    assert {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()} == before


def test_a_git_that_runs_this_process_does_not_lead_elsewhere(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    (repository / "code.py").write_text("new\n")
    assert b"+new" in checkout(repository).patch().content
    assert not (tmp_path / "index").exists()


def test_ignored_files_secrets_large_files_and_inner_repositories_are_left_out(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("SOME_API_KEY", "value-of-the-key")
    (repository / "ignored.py").write_text("i\n")
    (repository / ".env").write_text("A=new-secret-1\n")
    (repository / "id_rsa").write_text("new-secret-2\n")
    (repository / "settings.py").write_text("KEY = 'value-of-the-key'\n")
    (repository / "large").write_bytes(b"x" * (LARGEST_FILE + 1))
    (repository / "inner").mkdir()
    git(repository / "inner", "init")
    os.mkfifo(repository / "pipe")
    (repository / "code.py").write_text("new\n")
    patch = checkout(repository).patch()
    assert dict(patch.left_out) == {
        ".env": "named as secrets are",
        "id_rsa": "named as secrets are",
        "settings.py": "holds the value of a secret variable",
        "large": f"{LARGEST_FILE + 1} bytes, more than {LARGEST_FILE}",
        "inner/": "a repository of its own",
    }
    assert not any(word in patch.content for word in (b"new-secret", b"value-of-the-key", b"remote-secret", b"ignored"))
    assert applied(repository, patch.content, tmp_path / "clone")["code.py"] == (b"new\n", False)


def test_a_patch_that_removes_a_line_with_a_secret_is_not_kept(repository, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "committed-by-mistake")
    (repository / "code.py").write_text("key = 'committed-by-mistake'\n")
    git(repository, "commit", "-am", "oops")
    (repository / "code.py").write_text("key = None\n")
    patch = checkout(repository).patch()
    assert (patch.content, patch.dirty, list(patch.left_out)) == (b"", True, ["*"])


def test_files_of_runs_are_not_code(repository):
    for run in ("runs/one", "mine"):
        (repository / run / "train").mkdir(parents=True)
        (repository / run / "train" / "metrics.jsonl").write_text("{}\n")
    (repository / "runs/one/run.yaml").write_text("name: one\n")
    assert not checkout(repository).patch(but=repository / "mine").dirty


def test_a_folder_that_git_does_not_track_has_no_checkout(repository, tmp_path):
    installed = repository / "ignored_venv" / "site-packages" / "trainer.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    assert checkout_of(installed) is None
    (tmp_path / "plain.py").write_text("")
    assert checkout_of(tmp_path / "plain.py") is None
    shutil.rmtree(repository / ".git")
    assert checkout_of(repository / "code.py") is None


def test_what_is_recorded_of_the_code_lies_in_the_stages_folder(tmp_path):
    run = RunDirectory(tmp_path / "run")
    code = record_code(run, "train")
    assert {file.path for file in code_artifacts(run, "train", code)} == {
        "train/code_files.json",
        *([code.patch] if code.patch else []),
    }
    assert (code.commit is None) == (code.dirty is None)
    assert "trainer/contract/code.py" in (run.stage("train") / "code_files.json").read_text()
