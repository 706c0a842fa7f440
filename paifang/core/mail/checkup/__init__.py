"""Whether mail can go out and will be believed: for ``paifang doctor mail``."""

from paifang.core.mail.checkup.checkup import examine, send_trial
from paifang.core.mail.checkup.names import DnsNames, Names, NotLookedUp

__all__ = ["DnsNames", "Names", "NotLookedUp", "examine", "send_trial"]
