"""What ``paifang check`` and ``paifang doctor`` ask about accounts."""

from paifang.core.module import Finding
from paifang.core.runtime import Runtime
from paifang.modules.accounts.passwords.hashing import too_weak
from paifang.modules.accounts.settings import AccountsSettings


async def look(runtime: Runtime) -> list[Finding]:
    """Hashes of passwords are strong enough; what is weaker than it should be is told."""
    settings = runtime.settings.area(AccountsSettings)
    found: list[Finding] = []
    if weak := too_weak(settings):
        found.append(
            Finding(
                "error",
                "passwords",
                f"argon2id: {weak}",
                "raise PAIFANG_ACCOUNTS_ARGON2_MEMORY_MIB or PAIFANG_ACCOUNTS_ARGON2_PASSES",
            )
        )
    if runtime.settings.public_url.startswith("http://"):
        found.append(
            Finding(
                "warning",
                "sessions",
                "people come by plain HTTP: whoever is in between reads passwords and cookies",
                "put TLS in front and set PAIFANG_PUBLIC_URL to the https address",
            )
        )
    return found
