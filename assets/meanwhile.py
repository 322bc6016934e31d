"""Loads modules while a step only waits for a trainer, so that the next step need not; it runs nothing of them."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Thread

ANALYSIS = (
    "assets.report",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "PIL.ImageDraw",
    "PIL.ImageFont",
    "jinja2",
)


@contextmanager
def loading(*modules: str) -> Generator[None]:
    """While the block waits, these modules are imported in a thread; one that cannot be is left to who needs it."""
    thread = Thread(target=_load, args=(modules,), name="loading")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _load(modules: tuple[str, ...]) -> None:
    for module in modules:
        with suppress(ImportError):
            import_module(module)
