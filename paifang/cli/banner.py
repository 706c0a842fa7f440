"""What a start prints: where things are, and the next step."""

import click

from paifang.core.runtime import Runtime

LAST_LINE = "Ctrl+C stops it."


def print_banner(runtime: Runtime) -> None:
    """Printed once the server listens; never logged, because it may hold a fresh token."""
    url = runtime.base_url
    lines = ["", f"Paifang is up at {url}", ""]
    if "console" in runtime.roles:
        lines.append(f"  API reference      {url}/docs")
    if runtime.secrets.admin_key_path is not None:
        lines.append(f"  Administrator key  in {runtime.secrets.admin_key_path.resolve()}")
    # Only now is the port known, when the settings said "any".
    lines.extend(f"  {line}".rstrip().replace("{url}", url) for line in runtime.notes)
    while not lines[-1]:
        lines.pop()
    click.echo("\n".join([*lines, "", LAST_LINE]))
