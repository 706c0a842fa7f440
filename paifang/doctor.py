"""The doctor: what is on, what is off and why, and what to do about it."""

import os
import shutil
import stat

from paifang import __version__, checks
from paifang.core.cache import probe
from paifang.core.jobs.view import findings as jobs_findings
from paifang.core.mail.ways import open_ways
from paifang.core.module import Finding
from paifang.core.runtime import Runtime

ENOUGH_DISK = 1_000_000_000


async def diagnose(runtime: Runtime) -> list[Finding]:
    """Look at everything; nothing is changed."""
    findings = [Finding("ok", "paifang", f"version {__version__}, {runtime.settings.env}")]
    findings += _home(runtime)
    wrong = await checks.check_settings(runtime)
    findings += wrong
    findings += await checks.check_database(runtime)
    if all(f.level != "error" for f in findings):
        findings += await jobs_findings(runtime.settings, runtime.db)
    if all(f.subject != "redis" for f in wrong):
        findings += await _redis(runtime)
    if all(f.subject != "mail" for f in wrong):
        findings += _mail(runtime)
    findings += _logs(runtime)
    return findings + await checks.check_modules(runtime)


def _home(runtime: Runtime) -> list[Finding]:
    home = runtime.settings.home.resolve()
    findings = []
    free = shutil.disk_usage(home).free
    if free < ENOUGH_DISK:
        findings.append(
            Finding(
                "warning",
                "home folder",
                f"{home} has {free // 1_000_000} MB left",
                "make room: when the disk is full the gateway answers 503",
            )
        )
    elif not os.access(home, os.W_OK):
        findings.append(
            Finding("error", "home folder", f"{home} can't be written", "fix its owner or mode")
        )
    else:
        findings.append(Finding("ok", "home folder", str(home)))
    for name in ("admin.key", "secret.key", "encryption.keys"):
        path = home / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            findings.append(Finding("error", name, "others may read it", f"run: chmod 600 {path}"))
    where = runtime.secrets.admin_key_path
    source = f"in {where}" if where is not None else "from PAIFANG_ADMIN_KEY"
    findings.append(Finding("ok", "administrator key", source))
    return findings


async def _redis(runtime: Runtime) -> list[Finding]:
    answers = await probe(runtime.settings.redis)
    if answers is None:
        return [
            Finding(
                "off",
                "redis",
                "the cache is in memory, one process may serve the gateway, and the others see "
                "changes within half a second",
                "set PAIFANG_REDIS_URL to have changes pushed, and for several gateway processes",
            )
        ]
    if not answers:
        problem = "does not answer"
        return [
            Finding("error", "redis", problem, "is it running, and is PAIFANG_REDIS_URL right?")
        ]
    return [Finding("ok", "redis", "answers")]


def _mail(runtime: Runtime) -> list[Finding]:
    settings = runtime.settings.mail
    ways = open_ways(settings)
    if not ways:
        return [
            Finding(
                "off",
                "mail",
                "every mail stays in the dev inbox and is not sent",
                "set PAIFANG_MAIL_PROVIDERS or PAIFANG_MAIL_SMTP_URL to send them",
            )
        ]
    order = ", then ".join(way.name for way in ways)
    return [
        Finding(
            "ok",
            "mail",
            f"by {order}, from {settings.sender}",
            "`paifang doctor mail` looks closer",
        )
    ]


def _logs(runtime: Runtime) -> list[Finding]:
    folder = runtime.settings.log.dir
    if folder is None:
        return [
            Finding(
                "off", "log files", "logs go to standard output", "set PAIFANG_LOG_DIR to keep them"
            )
        ]
    if folder.is_dir() and not os.access(folder, os.W_OK):
        return [
            Finding("error", "log files", f"{folder} can't be written", "fix its owner or mode")
        ]
    return [Finding("ok", "log files", str(folder))]
