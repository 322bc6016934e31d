"""What looks like a secret is never written down."""

import pytest

from trainer.contract import AxiomControls, Refused, looks_secret, redacted
from trainer.contract.redaction import is_secret_file


@pytest.mark.parametrize(
    "name", ["WANDB_API_KEY", "aws_secret_access_key", "MyToken", "DB_PASSWORD", "GOOGLE_APPLICATION_CREDENTIALS"]
)
def test_a_variable_that_looks_secret_may_not_be_captured(name):
    assert looks_secret(name)
    with pytest.raises(Refused, match=rf"capture_env = .*{name}.*looks like a secret"):
        AxiomControls.accept({"capture_env": [name]})


def test_other_variables_may_be_captured_once_each():
    controls = AxiomControls.accept({"capture_env": ["OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"]})
    assert controls.capture_env == ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    with pytest.raises(Refused, match="no name of an environment variable"):
        AxiomControls.accept({"capture_env": ["A=B"]})


def test_enforcing_a_single_factor_needs_a_baseline():
    with pytest.raises(Refused, match="single_factor_enforce needs `baseline`"):
        AxiomControls.accept({"single_factor_enforce": True})
    assert AxiomControls.accept({"single_factor_enforce": True, "baseline": "arena-1"}).baseline == "arena-1"


def test_the_values_of_secret_variables_are_masked_and_no_others(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "tok-123456\n")
    monkeypatch.setenv("MY_TOKEN_LONGER", "tok-123456-and-more")
    monkeypatch.setenv("FLAG_KEY", "1")
    monkeypatch.setenv("PRIVATE_KEY", "-----BEGIN-----\nfirst-line\nsecond-line")
    monkeypatch.setenv("HARMLESS", "harmless-value")
    text = "1 tok-123456-and-more tok-123456 harmless-value second-line"
    assert redacted(text) == "1 [secret] [secret] harmless-value [secret]"


def test_the_user_of_a_url_is_masked_and_a_path_with_an_at_is_not():
    assert redacted("https://me:pa:ss@host/a@b ssh://git@host") == "https://[secret]@host/a@b ssh://[secret]@host"
    assert redacted("see https://host/a@b") == "see https://host/a@b"


@pytest.mark.parametrize(
    "path", [".env", "a/.env.local", "prod.env", "x.PEM", "id_rsa", "id_ed25519.pub", "my_credentials.json", ".netrc"]
)
def test_files_are_known_as_secret_by_their_name(path):
    assert is_secret_file(path)


@pytest.mark.parametrize("path", ["environment.py", "trainer/envs/make.py", "secrets.py", "keys.py", ".venv/x.py"])
def test_code_is_not_taken_for_a_secret(path):
    assert not is_secret_file(path)
