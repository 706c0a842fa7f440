"""What a check found, for people."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from paifang.core.commands import print_json
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


def report(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print them; exit status 1 when something is wrong."""
    if as_json:
        print_json([asdict(f) for f in findings])
    else:
        print_findings(findings)
    if any(f.level == "error" for f in findings):
        raise SystemExit(1)
