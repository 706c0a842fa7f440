"""Durable background work: jobs of idempotent steps, started exactly once, kept by an engine.

Here is what declares a job and what asks for one. What runs them is in ``service``, what shows
them in ``view``, and their tables are in ``models``.
"""

from paifang.core.jobs.job import COMPUTE, DEFAULT, Job, enqueue, job
from paifang.core.jobs.run import Run, StepFailedError

__all__ = ["COMPUTE", "DEFAULT", "Job", "Run", "StepFailedError", "enqueue", "job"]
