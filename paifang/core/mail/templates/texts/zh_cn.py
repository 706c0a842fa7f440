"""The texts in Simplified Chinese."""

from datetime import timedelta

from paifang.core.mail.templates.records import FactorChange, GroupRole, Template
from paifang.core.mail.templates.texts.text import Language, Text, parts

_UNITS = {"day": "天", "hour": "小时", "minute": "分钟"}


def _duration(duration: timedelta) -> str:
    count, unit = parts(duration)
    return f"{count} {_UNITS[unit]}"


_TEXTS = {
    Template.VERIFY_EMAIL: Text(
        subject="请确认您在 {site} 使用的邮箱地址",
        preheader="链接只能使用一次，{valid}内有效。",
        title="确认邮箱地址",
        lines=(
            "有人（多半是您本人）用邮箱地址 {to} 在 {site} 申请注册账号。",
            "链接只能使用一次，{valid}内有效。",
        ),
        button="确认邮箱地址",
        not_you=("如果不是您本人操作，请忽略这封邮件：不打开链接，账号就不会建立。",),
    ),
    Template.ACCOUNT_EXISTS: Text(
        subject="您在 {site} 已有账号",
        preheader="有人用您的邮箱地址申请注册。",
        title="您已有账号",
        lines=(
            (
                "有人（多半是您本人）用邮箱地址 {to} 在 {site} 申请注册。这个地址已有账号，"
                "因此没有另建新账号。"
            ),
            "您可以直接登录。如果忘了密码，请在这里设置新密码：{reset_link}",
        ),
        button="登录",
        not_you=("如果不是您本人操作，请忽略这封邮件：您的账号没有任何变化。",),
    ),
    Template.RESET_PASSWORD: Text(
        subject="设置您在 {site} 的新密码",
        preheader="链接只能使用一次，{valid}内有效。",
        title="设置新密码",
        lines=(
            "有人（多半是您本人）要为您在 {site} 的账号 {to} 设置新密码。",
            "链接只能使用一次，{valid}内有效。",
        ),
        button="设置新密码",
        not_you=(
            (
                "如果不是您本人操作，请忽略这封邮件：您的密码保持不变。请不要把链接交给任何人，"
                "拿到链接的人可以接管您的账号。"
            ),
        ),
    ),
    Template.EMAIL_CHANGE_CONFIRM: Text(
        subject="请确认您在 {site} 的新邮箱地址",
        preheader="链接只能使用一次，{valid}内有效。",
        title="确认新邮箱地址",
        lines=(
            "{site} 的一位用户（多半是您本人）想把账号的邮箱地址改为 {to}。",
            "链接只能使用一次，{valid}内有效。在确认之前，原地址继续使用。",
        ),
        button="确认新地址",
        not_you=("如果不是您本人操作，请忽略这封邮件：您的地址不会被使用。",),
    ),
    Template.EMAIL_CHANGE_NOTICE: Text(
        subject="您在 {site} 的账号正在更换邮箱地址",
        preheader="从 {to} 改为 {new_email}。",
        title="正在更换邮箱地址",
        lines=("您在 {site} 的账号将改用邮箱地址 {new_email}，不再使用 {to}；新地址确认后生效。",),
        button="保留原地址",
        not_you=(
            (
                "如果不是您本人操作，可能有人以您的身份登录。按钮会保留 {to}，结束所有会话，"
                "并寄给您设置新密码的链接。"
            ),
        ),
    ),
    Template.NEW_SIGN_IN: Text(
        subject="{site} 有一次新的登录",
        preheader="来自此前没有用过的设备。",
        title="新的登录",
        lines=("有人（多半是您本人）用此前没有用过的设备，登录了您在 {site} 的账号 {to}。",),
        button="查看我的会话",
        not_you=("如果不是您本人操作，请立即结束那个会话，并修改密码。",),
    ),
    Template.PASSWORD_CHANGED: Text(
        subject="您在 {site} 的密码已修改",
        preheader="如果是您本人操作，无需做任何事。",
        title="密码已修改",
        lines=("您在 {site} 的账号 {to} 的密码已修改。如果是您本人操作，无需做任何事。",),
        button="重新设置密码",
        not_you=("如果不是您本人操作，请立即重新设置密码；账号的所有会话会随之结束。",),
    ),
    Template.FACTOR_CHANGED: Text(
        subject="您登录 {site} 的方式有变化",
        preheader="{change}",
        title="登录方式有变化",
        lines=(
            "{change}",
            "这关系到您在 {site} 的账号 {to}。如果是您本人操作，无需做任何事。",
        ),
        button="查看安全设置",
        not_you=("如果不是您本人操作，请立即修改密码，并检查您的双重验证方式。",),
    ),
    Template.INVITATION: Text(
        subject="邀请您使用 {site}",
        preheader="链接只能使用一次，{valid}内有效。",
        title="邀请函",
        lines=(
            "{inviter} 邀请您用邮箱地址 {to} 在 {site} 注册账号。",
            "链接只能使用一次，{valid}内有效。",
        ),
        button="接受邀请",
        not_you=("如果您不了解此事，请忽略这封邮件：账号不会建立。",),
    ),
    Template.GROUP_INVITATION: Text(
        subject="邀请您加入 {site} 的一个群组",
        preheader="{inviter} 邀请您加入 {group}。",
        title="邀请您加入群组",
        lines=(
            "{inviter} 邀请您加入 {site} 的群组 {group}，身份是{role}。",
            "链接只能使用一次，{valid}内有效。",
        ),
        button="查看邀请",
        not_you=("如果您不了解此事，请忽略这封邮件：您不会因此加入任何群组。",),
    ),
    Template.APPROVAL_NEEDED: Text(
        subject="有人等待批准加入 {site}",
        preheader="{applicant} 已确认邮箱地址。",
        title="有人等待批准",
        lines=(
            "{applicant} 在 {site} 申请了账号，并已确认邮箱地址。在管理员批准之前，账号不能使用。",
        ),
        button="查看等待批准的人",
        not_you=("您收到这封邮件，是因为您可以在 {site} 批准新用户。",),
    ),
    Template.APPROVED: Text(
        subject="您现在可以使用 {site}",
        preheader="管理员已批准您的账号。",
        title="账号已批准",
        lines=("管理员已批准您的申请：您在 {site} 的账号 {to} 现在可以使用。",),
        button="登录",
        not_you=("如果您从未申请账号，请忽略这封邮件，或告知 {site} 的管理者。",),
    ),
    Template.TRIAL: Text(
        subject="来自 {site} 的测试邮件",
        preheader="它经由 {way} 送达。",
        title="邮件可以送达",
        lines=("这是对 {site} 所发邮件的测试。它经由 {way} 送达。",),
        button="打开 {site}",
        not_you=("它由命令 paifang doctor mail 发出，无需做任何事。",),
    ),
}

SIMPLIFIED = Language(
    tag="zh-CN",
    fonts="'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',",
    texts=_TEXTS,
    device="设备",
    address="来自",
    at="时间",
    copy_link="如果按钮无法使用，请把下面的地址复制到浏览器中打开：",
    footer="由 {site} 发送至 {to}。",
    changes={
        FactorChange.TOTP_ADDED: "已添加身份验证器应用。",
        FactorChange.TOTP_REMOVED: "已移除身份验证器应用。",
        FactorChange.PASSKEY_ADDED: "已添加一个通行密钥。",
        FactorChange.PASSKEY_REMOVED: "已移除一个通行密钥。",
        FactorChange.RECOVERY_CODES_MADE: "已生成新的恢复代码，旧代码作废。",
        FactorChange.RECOVERY_CODE_USED: "有一个恢复代码被用于登录。",
        FactorChange.IDENTITY_LINKED: "已关联另一服务的账号，它可用于登录这里。",
        FactorChange.IDENTITY_UNLINKED: "已取消关联另一服务的账号。",
        FactorChange.FACTORS_RESET: "管理员已移除您所有的双重验证方式。",
    },
    roles={
        GroupRole.OWNER: "所有者",
        GroupRole.MANAGER: "管理者",
        GroupRole.MEMBER: "成员",
    },
    duration=_duration,
    colon="：",
)
