"""Settings of the provider ``local``."""

from dataclasses import dataclass

from paifang.core.settings import Section, setting


@dataclass(frozen=True)
class LocalSettings(Section):
    """Local models. Each loaded model is one process with these settings."""

    threads: int = setting(
        0, "Threads that compute, per model; 0 takes one per core.", ge=0, le=1024
    )
    context: int = setting(
        4096,
        "Model tokens one call may hold, prompt and answer together; at most what the "
        "model was trained for. Memory grows with context times parallel.",
        ge=256,
        le=1_048_576,
    )
    parallel: int = setting(
        4, "Calls a model computes at the same time; more wait in its queue.", ge=1, le=64
    )
    batch: int = setting(
        1024,
        "Prompt tokens computed in one go. Also the longest text that can be embedded.",
        ge=32,
        le=65_536,
    )
    idle_seconds: float = setting(
        900.0, "Seconds without a call after which a model is unloaded; 0 never.", ge=0
    )
    start_timeout: float = setting(120.0, "Seconds a model may take to load.", gt=0)
