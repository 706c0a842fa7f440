"""What a check found, for people."""

from collections.abc import Sequence

import click

from paifang.core.module import Finding

MARKS = {"ok": "ok", "off": "off", "warning": "warning", "error": "ERROR"}


def print_findings(findings: Sequence[Finding]) -> None:
    """One line each, and what to do about it below."""
    width = max((len(f.subject) for f in findings), default=0)
    for finding in findings:
        mark = click.style(
            f"{MARKS[finding.level]:8}",
            fg={"error": "red", "warning": "yellow"}.get(finding.level),
        )
        click.echo(f"{mark}{finding.subject.ljust(width)}  {finding.message}")
        if finding.advice:
            click.echo(f"{'':8}{'':{width}}  -> {finding.advice}")
