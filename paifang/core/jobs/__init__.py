"""Durable background work: jobs of idempotent steps, started exactly once, kept by an engine."""

from paifang.core.jobs.job import COMPUTE, DEFAULT, Job, enqueue, job
from paifang.core.jobs.models import JobAttempt, JobSchedule, Lease, Worker
from paifang.core.jobs.run import Run, StepFailedError
from paifang.core.jobs.service import Jobs, collect
from paifang.core.jobs.view import (
    JobState,
    WorkerState,
    count_jobs,
    findings,
    list_jobs,
    list_workers,
)

__all__ = [
    "COMPUTE",
    "DEFAULT",
    "Job",
    "JobAttempt",
    "JobSchedule",
    "JobState",
    "Jobs",
    "Lease",
    "Run",
    "StepFailedError",
    "Worker",
    "WorkerState",
    "collect",
    "count_jobs",
    "enqueue",
    "findings",
    "job",
    "list_jobs",
    "list_workers",
]
