"""What must never be written down: which names look like secrets, and their values masked; it keeps none of them.

The one module of the contract that reads this process's environment variables: to know what must not be written.
"""

import os
import re
from fnmatch import fnmatchcase
from pathlib import PurePath

SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL", re.IGNORECASE)
SECRET_FILES = (
    ".env*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*credentials*",
    "secrets.[!p]*",
    ".aws",
    ".gnupg",
    ".kube",
    ".ssh",
    ".netrc",
    "_netrc",
    ".pypirc",
    ".npmrc",
    ".htpasswd",
)
SHORTEST = 6
MASK = "[secret]"
_USER_OF_URL = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")


def looks_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret: KEY, TOKEN, SECRET, PASSW…, PASSPHRASE or CREDENTIAL in it."""
    return SECRET_NAME.search(name) is not None


def is_secret_file(path: str) -> bool:
    """Whether a file, or a folder above it, is named as secrets are kept: `.env`, `*.pem`, `id_rsa`, `.netrc` …"""
    return any(fnmatchcase(part.lower(), pattern) for part in PurePath(path).parts for pattern in SECRET_FILES)


def secret_values() -> tuple[str, ...]:
    """The values, the longest first, of this process's variables that look secret, and of each of their lines.

    Values of less than six characters are left out: masking `1` would ruin every text and hide nothing.
    """
    given = [value for name, value in os.environ.items() if looks_secret(name)]
    forms = {form.strip() for value in given for form in (value, repr(value)[1:-1], *value.splitlines())}
    return tuple(sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True))


def redacted(text: str) -> str:
    """`text` with the values of this process's secrets, and the user part of every URL, masked."""
    for value in secret_values():
        text = text.replace(value, MASK)
    return _USER_OF_URL.sub(MASK, text)
