"""The doctor's closer look at mail."""

import asyncio

import click

from paifang.cli.opening import load_settings, option_home, plain_errors
from paifang.cli.reports import report
from paifang.core.commands import json_option
from paifang.core.mail import BadMail
from paifang.core.mail.checkup import DnsNames, examine, send_trial
from paifang.core.mail.message import check_address
from paifang.core.module import Finding


def _address(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else check_address(value)
    except BadMail as error:
        raise click.BadParameter(error.errors[0]["message"]) from error


def _names(_context: click.Context, _option: click.Parameter, value: str) -> DnsNames:
    try:
        return DnsNames(value)
    except ValueError as error:
        raise click.BadParameter("it is an address, or address:port") from error


@click.command("mail")
@click.option(
    "--to", metavar="ADDRESS", callback=_address, help="Send a test mail there, by each way out."
)
@click.option(
    "--dkim",
    "selectors",
    metavar="SELECTOR",
    multiple=True,
    help="Look at the DKIM key of this selector; may be repeated. Resend's is known.",
)
@click.option(
    "--dns",
    "names",
    metavar="ADDRESS",
    default="",
    callback=_names,
    help="Ask this name server, address or address:port, instead of the system's.",
)
@json_option
@click.pass_context
def doctor_mail(
    ctx: click.Context,
    *,
    to: str | None,
    selectors: tuple[str, ...],
    names: DnsNames,
    as_json: bool,
) -> None:
    """Look closer at mail: whether it goes out, and whether it will be believed.

    Checks the settings, connects and signs in to each way out, and looks up the records of the
    sender's domain: SPF, DKIM, DMARC, MX and the mail server's reverse name. What is missing is
    told with the record to add. Exit status 1 when something is wrong.
    """

    async def run() -> list[Finding]:
        settings = load_settings({"PAIFANG_HOME": option_home(ctx)})
        findings = await examine(settings.mail, names, selectors=selectors)
        if to is not None and all(f.subject != "settings" or f.level != "error" for f in findings):
            findings += await send_trial(settings.mail, to=to, link=settings.base_url)
        return findings

    with plain_errors():
        findings = asyncio.run(run())
    report(findings, as_json=as_json)
