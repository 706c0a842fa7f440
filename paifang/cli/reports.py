"""What a check found, as the whole answer of a command."""

from collections.abc import Sequence
from dataclasses import asdict

from paifang.cli.findings import print_findings
from paifang.core.commands import print_json
from paifang.core.module import Finding


def report(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print them; exit status 1 when something is wrong."""
    if as_json:
        print_json([asdict(f) for f in findings])
    else:
        print_findings(findings)
    if any(f.level == "error" for f in findings):
        raise SystemExit(1)
