"""LiteLLM's proxy, which ``make peers`` installs."""

import re
from pathlib import Path

from process import PEERS, PROXY_CPU, Child, free_port, own_environment, wait_for

from peers import Contestant

_KEY = "sk-bench-0123456789"
_CONFIG = """
model_list:
  - model_name: bench-model
    litellm_params:
      model: openai/gpt-4o-mini
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: sk-upstream-0123456789
litellm_settings:
  telemetry: false
general_settings:
  master_key: {key}
"""


class LiteLlm(Contestant):
    """Set up as its makers advise for production, but without a database.

    opentelemetry and prisma are installed with it (``requirements/litellm.in``): without them a
    failing import is tried again in every call. The model behind the name is one whose price it
    knows.
    """

    name = "litellm"
    about = (
        "its proxy with a master key, one worker on uvloop and httptools; checks the key, parses "
        "and writes requests and answers anew, routes, reckons the price"
    )
    leaves_out = (
        "no database, hence no tokens of its own, no limits, nothing kept of a call; its access "
        "log is off"
    )
    exact = False
    patience = 4.0
    warm_up = 10.0
    starts = 2

    def __init__(self) -> None:
        super().__init__()
        self.bearer(_KEY)
        self.folder = PEERS / "litellm"

    def version(self) -> str:
        """Of its distribution."""
        # Not its program: that takes seconds.
        for found in self.folder.glob("lib/python3*/site-packages/litellm-*.dist-info"):
            if (self.folder / "bin" / "litellm").exists():
                return re.sub(r"^litellm-|\.dist-info$", "", found.name)
        return ""

    def start(self, upstream: int, folder: Path) -> None:
        """Ready is when it says that it lives."""
        self.port = free_port()
        config = folder / "litellm.yaml"
        config.write_text(_CONFIG.format(upstream=upstream, key=_KEY))
        environment = own_environment(
            folder,
            LITELLM_MODE="PRODUCTION",
            LITELLM_LOG="ERROR",
            LITELLM_LOCAL_MODEL_COST_MAP="True",  # else it looks for a newer one at every start
        )
        command = [
            str(self.folder / "bin" / "python"), str(self.folder / "bin" / "litellm"),
            "--config", str(config), "--host", "127.0.0.1", "--port", str(self.port),
            "--num_workers", "1",
        ]  # fmt: skip
        self.child = Child(command, cpu=PROXY_CPU, log=folder / "litellm.log", env=environment)
        wait_for(self.port, self.child, "/health/liveliness")
