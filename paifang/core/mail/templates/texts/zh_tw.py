"""The texts in Traditional Chinese."""

from datetime import timedelta

from paifang.core.mail.templates.records import FactorChange, GroupRole, Template
from paifang.core.mail.templates.texts.text import Language, Text, parts

_UNITS = {"day": "天", "hour": "小時", "minute": "分鐘"}


def _duration(duration: timedelta) -> str:
    count, unit = parts(duration)
    return f"{count} {_UNITS[unit]}"


_TEXTS = {
    Template.VERIFY_EMAIL: Text(
        subject="請確認您在 {site} 使用的電子郵件地址",
        preheader="連結只能使用一次，{valid}內有效。",
        title="確認電子郵件地址",
        lines=(
            "有人（多半是您本人）以電子郵件地址 {to} 在 {site} 申請註冊帳號。",
            "連結只能使用一次，{valid}內有效。",
        ),
        button="確認電子郵件地址",
        not_you=("如果不是您本人操作，請忽略這封郵件：不開啟連結，帳號就不會建立。",),
    ),
    Template.ACCOUNT_EXISTS: Text(
        subject="您在 {site} 已有帳號",
        preheader="有人以您的電子郵件地址申請註冊。",
        title="您已有帳號",
        lines=(
            (
                "有人（多半是您本人）以電子郵件地址 {to} 在 {site} 申請註冊。這個地址已有帳號，"
                "因此沒有另建新帳號。"
            ),
            "您可以直接登入。如果忘了密碼，請在這裡設定新密碼：{reset_link}",
        ),
        button="登入",
        not_you=("如果不是您本人操作，請忽略這封郵件：您的帳號沒有任何變動。",),
    ),
    Template.RESET_PASSWORD: Text(
        subject="設定您在 {site} 的新密碼",
        preheader="連結只能使用一次，{valid}內有效。",
        title="設定新密碼",
        lines=(
            "有人（多半是您本人）要為您在 {site} 的帳號 {to} 設定新密碼。",
            "連結只能使用一次，{valid}內有效。",
        ),
        button="設定新密碼",
        not_you=(
            (
                "如果不是您本人操作，請忽略這封郵件：您的密碼維持不變。請不要把連結交給任何人，"
                "拿到連結的人可以接管您的帳號。"
            ),
        ),
    ),
    Template.EMAIL_CHANGE_CONFIRM: Text(
        subject="請確認您在 {site} 的新電子郵件地址",
        preheader="連結只能使用一次，{valid}內有效。",
        title="確認新電子郵件地址",
        lines=(
            "{site} 的一位使用者（多半是您本人）想把帳號的電子郵件地址改為 {to}。",
            "連結只能使用一次，{valid}內有效。在確認之前，原地址繼續使用。",
        ),
        button="確認新地址",
        not_you=("如果不是您本人操作，請忽略這封郵件：您的地址不會被使用。",),
    ),
    Template.EMAIL_CHANGE_NOTICE: Text(
        subject="您在 {site} 的帳號正在更換電子郵件地址",
        preheader="從 {to} 改為 {new_email}。",
        title="正在更換電子郵件地址",
        lines=(
            "您在 {site} 的帳號將改用電子郵件地址 {new_email}，不再使用 {to}；新地址確認後生效。",
        ),
        button="保留原地址",
        not_you=(
            (
                "如果不是您本人操作，可能有人以您的身分登入。按鈕會保留 {to}，結束所有工作階段，"
                "並寄給您設定新密碼的連結。"
            ),
        ),
    ),
    Template.NEW_SIGN_IN: Text(
        subject="{site} 有一次新的登入",
        preheader="來自先前沒有用過的裝置。",
        title="新的登入",
        lines=("有人（多半是您本人）用先前沒有用過的裝置，登入了您在 {site} 的帳號 {to}。",),
        button="檢視我的工作階段",
        not_you=("如果不是您本人操作，請立即結束那個工作階段，並變更密碼。",),
    ),
    Template.PASSWORD_CHANGED: Text(
        subject="您在 {site} 的密碼已變更",
        preheader="如果是您本人操作，無須做任何事。",
        title="密碼已變更",
        lines=("您在 {site} 的帳號 {to} 的密碼已變更。如果是您本人操作，無須做任何事。",),
        button="重新設定密碼",
        not_you=("如果不是您本人操作，請立即重新設定密碼；帳號的所有工作階段會隨之結束。",),
    ),
    Template.FACTOR_CHANGED: Text(
        subject="您登入 {site} 的方式有變動",
        preheader="{change}",
        title="登入方式有變動",
        lines=(
            "{change}",
            "這關係到您在 {site} 的帳號 {to}。如果是您本人操作，無須做任何事。",
        ),
        button="檢視安全設定",
        not_you=("如果不是您本人操作，請立即變更密碼，並檢查您的雙重驗證方式。",),
    ),
    Template.INVITATION: Text(
        subject="邀請您使用 {site}",
        preheader="連結只能使用一次，{valid}內有效。",
        title="邀請函",
        lines=(
            "{inviter} 邀請您以電子郵件地址 {to} 在 {site} 註冊帳號。",
            "連結只能使用一次，{valid}內有效。",
        ),
        button="接受邀請",
        not_you=("如果您不了解此事，請忽略這封郵件：帳號不會建立。",),
    ),
    Template.GROUP_INVITATION: Text(
        subject="邀請您加入 {site} 的一個群組",
        preheader="{inviter} 邀請您加入 {group}。",
        title="邀請您加入群組",
        lines=(
            "{inviter} 邀請您加入 {site} 的群組 {group}，身分是{role}。",
            "連結只能使用一次，{valid}內有效。",
        ),
        button="檢視邀請",
        not_you=("如果您不了解此事，請忽略這封郵件：您不會因此加入任何群組。",),
    ),
    Template.APPROVAL_NEEDED: Text(
        subject="有人等候核准加入 {site}",
        preheader="{applicant} 已確認電子郵件地址。",
        title="有人等候核准",
        lines=(
            (
                "{applicant} 在 {site} 申請了帳號，並已確認電子郵件地址。"
                "在管理員核准之前，帳號不能使用。"
            ),
        ),
        button="檢視等候核准的人",
        not_you=("您收到這封郵件，是因為您可以在 {site} 核准新使用者。",),
    ),
    Template.APPROVED: Text(
        subject="您現在可以使用 {site}",
        preheader="管理員已核准您的帳號。",
        title="帳號已核准",
        lines=("管理員已核准您的申請：您在 {site} 的帳號 {to} 現在可以使用。",),
        button="登入",
        not_you=("如果您從未申請帳號，請忽略這封郵件，或告知 {site} 的管理者。",),
    ),
    Template.TRIAL: Text(
        subject="來自 {site} 的測試郵件",
        preheader="它經由 {way} 送達。",
        title="郵件可以送達",
        lines=("這是對 {site} 所寄郵件的測試。它經由 {way} 送達。",),
        button="開啟 {site}",
        not_you=("它由指令 paifang doctor mail 寄出，無須做任何事。",),
    ),
}

TRADITIONAL = Language(
    tag="zh-TW",
    fonts="'PingFang TC','Microsoft JhengHei','Noto Sans CJK TC',",
    texts=_TEXTS,
    device="裝置",
    address="來自",
    at="時間",
    copy_link="如果按鈕無法使用，請把下面的網址複製到瀏覽器中開啟：",
    footer="由 {site} 寄送至 {to}。",
    changes={
        FactorChange.TOTP_ADDED: "已新增驗證器應用程式。",
        FactorChange.TOTP_REMOVED: "已移除驗證器應用程式。",
        FactorChange.PASSKEY_ADDED: "已新增一個通行金鑰。",
        FactorChange.PASSKEY_REMOVED: "已移除一個通行金鑰。",
        FactorChange.RECOVERY_CODES_MADE: "已產生新的復原碼，舊碼作廢。",
        FactorChange.RECOVERY_CODE_USED: "有一個復原碼被用於登入。",
        FactorChange.IDENTITY_LINKED: "已連結另一服務的帳號，它可用來登入這裡。",
        FactorChange.IDENTITY_UNLINKED: "已取消連結另一服務的帳號。",
        FactorChange.FACTORS_RESET: "管理員已移除您所有的雙重驗證方式。",
    },
    roles={
        GroupRole.OWNER: "擁有者",
        GroupRole.MANAGER: "管理者",
        GroupRole.MEMBER: "成員",
    },
    duration=_duration,
    colon="：",
)
