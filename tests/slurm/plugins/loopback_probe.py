"""Lets managed jobs run without internet: SkyPilot's own plugin hook, and nothing of it outside the test bed."""

from typing import Any

from sky.server import plugins


class LoopbackProbe(plugins.BasePlugin):
    """Asks the local API server, where SkyPilot asks 8.8.8.8 and 1.1.1.1 whether the network is there.

    A managed job's controller asks every 15 s, has no setting for it and goes on only when one of them answers.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def install(self, extension_context: Any) -> None:
        """Called by SkyPilot in each of its processes."""
        from sky.backends import backend_utils

        backend_utils._TEST_IP_LIST = [self.url]
