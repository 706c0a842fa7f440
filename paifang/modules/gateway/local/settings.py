"""Settings of the provider ``local``."""

from typing import Annotated

from pydantic import Field

from paifang.core.settings import Section


class LocalSettings(Section):
    """Local models. Each loaded model is one process with these settings."""

    threads: Annotated[int, Field(ge=0, le=1024)] = Field(
        0, description="Threads that compute, per model; 0 takes one per core."
    )
    context: Annotated[int, Field(ge=256, le=1_048_576)] = Field(
        4096,
        description="Model tokens one call may hold, prompt and answer together; at most what the "
        "model was trained for. Memory grows with context times parallel.",
    )
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        4, description="Calls a model computes at the same time; more wait in its queue."
    )
    batch: Annotated[int, Field(ge=32, le=65_536)] = Field(
        1024,
        description="Prompt tokens computed in one go. Also the longest text that can be embedded.",
    )
    idle_seconds: Annotated[float, Field(ge=0)] = Field(
        900.0, description="Seconds without a call after which a model is unloaded; 0 never."
    )
    start_timeout: Annotated[float, Field(gt=0)] = Field(
        120.0, description="Seconds a model may take to load."
    )
