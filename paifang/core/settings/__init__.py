"""Settings: environment variables and ``.env`` files, nested per area, checked as a whole.

Every setting has one name, ``PAIFANG_<AREA>_<FIELD>``, made from its place in
:class:`CoreSettings`: ``settings.db.pool_size`` is ``PAIFANG_DB_POOL_SIZE``. Sources, strongest
first: the process environment, ``.env.<environment>``, ``.env``. A ``PAIFANG_*`` variable that
names no setting is an error, because a misspelt limit is a limit that is not there.
"""

from paifang.core.settings.areas import (
    CoreSettings,
    DbSettings,
    JobsSettings,
    LogSettings,
    MailSettings,
    RedisSettings,
)
from paifang.core.settings.fields import Secret, Section, Setting, areas, own, setting
from paifang.core.settings.reading import (
    ALIASES,
    PREFIX,
    SettingsError,
    load,
    settings_class,
    variables,
)

__all__ = [
    "ALIASES",
    "PREFIX",
    "CoreSettings",
    "DbSettings",
    "JobsSettings",
    "LogSettings",
    "MailSettings",
    "RedisSettings",
    "Secret",
    "Section",
    "Setting",
    "SettingsError",
    "areas",
    "load",
    "own",
    "setting",
    "settings_class",
    "variables",
]
