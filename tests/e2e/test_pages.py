"""The app's home and the API reference in a real browser."""

import pytest
from playwright.async_api import Page, expect

from e2e.visitor import ADMIN_KEY, PHONE, Visitor, too_wide

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: pages"),  # one site and one browser for the file
    pytest.mark.usefixtures("reference"),
]

LANGUAGES = {
    "en": "The first call",
    "zh-CN": "第一次调用",
    "zh-TW": "第一次呼叫",
}


async def paint(page: Page) -> str:
    """The colour of the paper."""
    return str(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


async def test_the_welcome_page_loads_without_complaints(visitor: Visitor) -> None:
    async with visitor.page() as page:
        await expect(page.locator("h1")).to_contain_text("Paifang")
        await expect(page.locator(".status")).to_contain_text("The gateway is ready")


async def only(page: Page, tag: str) -> None:
    """Keep Swagger UI to one tag: of a long document it makes the operations that are in sight."""
    await page.locator(".operation-filter-input").fill(tag)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_swagger_ui_lists_the_operations_without_complaints(
    visitor: Visitor, scheme: str
) -> None:
    async with visitor.page("/docs", color_scheme=scheme) as page:
        await only(page, "groups")
        await page.locator('[data-path="/api/v1/gateway/groups"]').first.wait_for()
        shown = await page.locator(".opblock").count()
        for tag in ("tokens", "logs", "prices", "usage", "mail", "menus", "departments"):
            await only(page, tag)
            await page.locator(f'[id^="operations-{tag}-"]').first.wait_for()
            shown += await page.locator(".opblock").count()
        assert shown > 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_redoc_shows_and_searches_the_operations_without_complaints(
    visitor: Visitor, scheme: str
) -> None:
    async with visitor.page("/redoc", color_scheme=scheme) as page:
        await page.locator("#redoc h1").first.wait_for()
        paper = await paint(page)
        shown = await page.locator("#redoc .menu-content").evaluate(
            "(e) => getComputedStyle(e).backgroundColor"
        )
        assert shown == paper
        await page.locator("#redoc input").fill("revoke")
        await page.locator("[data-role='search:results'] li").first.wait_for()


async def test_authorize_lets_swagger_ui_call_a_route(visitor: Visitor) -> None:
    visitor.expected = [r"status of 401"]
    async with visitor.page("/docs") as page:
        await only(page, "groups")
        row = page.locator(".opblock-get").filter(
            has=page.locator('[data-path="/api/v1/gateway/groups"]')
        )
        await row.locator(".opblock-summary-control").click()
        await row.locator(".execute").click()
        status = row.locator(".live-responses-table tbody .response-col_status").first
        await expect(status).to_contain_text("401")

        await page.locator(".scheme-container .authorize").click()
        bearer = page.locator("#auth-bearer-value")
        form = page.locator(".modal-ux .auth-container").filter(has=bearer)
        await bearer.fill(ADMIN_KEY)
        await form.locator(".authorize").click()
        await page.locator(".modal-ux .btn-done").first.click()
        await row.locator(".execute").click()
        await expect(status).to_contain_text("200")
        await expect(row.locator(".live-responses-table")).to_contain_text("readers")


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc"])
async def test_a_phone_scrolls_no_page_sideways(visitor: Visitor, path: str) -> None:
    async with visitor.page(path, **PHONE) as page:
        await page.wait_for_load_state("networkidle")
        assert await too_wide(page) == 0


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 2560])
async def test_the_welcome_page_fits_every_width_in_every_language(
    visitor: Visitor, width: int
) -> None:
    async with visitor.page(viewport={"width": width, "height": 800}) as page:
        for language, heading in LANGUAGES.items():
            if width < 821:
                await page.locator("header .opener").click()
            await page.locator(f"[data-language={language}] >> visible=true").click()
            await expect(page.locator("#call-title")).to_have_text(heading)
            assert await too_wide(page) == 0
            if width < 821:
                await page.keyboard.press("Escape")


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("en-GB", "en"),
        ("fr-FR", "en"),
        ("zh-CN", "zh-CN"),
        ("zh-SG", "zh-CN"),
        ("zh-TW", "zh-TW"),
        ("zh-HK", "zh-TW"),
        ("zh-Hant", "zh-TW"),
    ],
)
async def test_the_browsers_language_comes_first(
    visitor: Visitor, locale: str, language: str
) -> None:
    async with visitor.page(locale=locale) as page:
        await expect(page.locator("#call-title")).to_have_text(LANGUAGES[language])
        assert await page.locator("html").get_attribute("lang") == language


async def test_a_chosen_language_holds_on_every_page_and_after_a_reload(visitor: Visitor) -> None:
    async with visitor.page(locale="zh-CN") as page:
        await page.locator("[data-language=zh-TW]").click()
        await expect(page.locator("#call-title")).to_have_text(LANGUAGES["zh-TW"])
        await expect(page.locator("[data-language=zh-TW]")).to_have_attribute(
            "aria-pressed", "true"
        )
        await page.reload()
        await expect(page.locator("#call-title")).to_have_text(LANGUAGES["zh-TW"])
        await page.goto(visitor.site.url + "/docs")
        await expect(page.locator(".bar [aria-current]")).to_have_text("試用 API")
        assert await page.title() == "試用 API · Paifang"


async def test_translated_sentences_keep_their_links_and_commands(visitor: Visitor) -> None:
    async with visitor.page("/start") as page:
        for language in ["zh-TW", "en", "zh-CN"]:
            await page.locator(f"[data-language={language}]").click()
            addresses = await page.locator("#places a").all_inner_texts()
            assert addresses == ["/docs", "/redoc", "/openapi.json", "/readyz"]
            assert "undefined" not in await page.locator("body").inner_text()


async def test_the_theme_follows_the_system_until_one_is_chosen(visitor: Visitor) -> None:
    async with visitor.page(color_scheme="light") as page:
        day = await paint(page)
        await page.emulate_media(color_scheme="dark")
        night = await paint(page)
        assert night != day

        await page.locator(".theme").click()
        assert await paint(page) == day
        await page.reload()
        assert await paint(page) == day
        await expect(page.locator(".theme")).to_have_attribute("aria-pressed", "false")

        # Back to the system's own: from now on it is followed again.
        await page.locator(".theme").click()
        assert await paint(page) == night
        await page.emulate_media(color_scheme="light")
        assert await paint(page) == day


async def test_redoc_takes_the_colours_of_a_chosen_theme(visitor: Visitor) -> None:
    async with visitor.page("/redoc", color_scheme="light") as page:
        await page.locator("#redoc h1").first.wait_for()
        async with page.expect_navigation():
            await page.locator(".theme").click()
        await page.locator("#redoc h1").first.wait_for()
        colour = await page.locator("#redoc .menu-content").evaluate(
            "(e) => getComputedStyle(e).backgroundColor"
        )
        assert colour == await paint(page)


async def test_nothing_moves_for_those_who_ask_for_it(visitor: Visitor) -> None:
    async with visitor.page(reduced_motion="reduce") as page:
        lasting = await page.evaluate(
            """[...document.querySelectorAll("*")].filter((e) => {
                const style = getComputedStyle(e);
                return style.transitionDuration !== "0s" || style.animationName !== "none";
            }).length"""
        )
        assert lasting == 0


async def test_without_javascript_the_pages_say_so(visitor: Visitor) -> None:
    async with visitor.page(java_script_enabled=False) as page:
        for path in ("/", "/docs"):
            await page.goto(visitor.site.url + path)
            assert "/openapi.json" in await page.locator("noscript").inner_text()


async def test_the_pages_work_where_storage_is_forbidden(visitor: Visitor) -> None:
    # Nothing tells whether somebody was here, so the cookie is tried.
    visitor.expected = [r"/api/v1/auth/refresh"]
    async with visitor.page() as page:
        await page.context.add_init_script(
            """Object.defineProperty(window, "localStorage", {
                get() { throw new DOMException("forbidden", "SecurityError"); } });"""
        )
        await page.reload()
        await page.locator("[data-language=zh-CN]").click()
        await expect(page.locator("#call-title")).to_have_text(LANGUAGES["zh-CN"])
        await page.locator(".theme").click()


async def test_the_keyboard_reaches_everything_in_order(visitor: Visitor) -> None:
    async with visitor.page() as page:
        await page.locator(".skip").wait_for(state="attached")
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        assert page.url.endswith("#main")
        order: list[str] = []
        await page.locator("#token").focus()
        for _ in range(4):
            order.append(
                await page.evaluate(
                    "document.activeElement.id || document.activeElement.classList[0]"
                )
            )
            await page.keyboard.press("Tab")
        # Without a token there is no model to choose.
        assert order == ["token", "reveal", "question", "button"]


async def test_the_state_of_the_gateway_is_told_in_words(visitor: Visitor) -> None:
    runtime = visitor.site.runtime
    visitor.expected = [r"status of 503"]

    async def away() -> str:
        return "the disk is full"

    async with visitor.page() as page:
        status = page.locator(".status")
        await expect(status).to_contain_text("The gateway is ready")
        try:
            runtime.ready["disk"] = away
            await page.reload()
            await expect(status).to_contain_text("not ready. disk: the disk is full")
            runtime.draining = True
            await page.reload()
            await expect(status).to_contain_text("The gateway is draining")
            await page.locator("[data-language=zh-TW]").click()
            await expect(status).to_contain_text("閘道正在收尾")
        finally:
            runtime.draining = False
            runtime.ready.pop("disk", None)
        # It is asked again by itself.
        await expect(status).to_contain_text("閘道已就緒", timeout=15_000)


async def test_a_server_that_does_not_answer_is_said_so(visitor: Visitor) -> None:
    visitor.expected = [r"ERR_FAILED"]
    async with visitor.page() as page:
        await page.route("**/readyz", lambda route: route.abort())
        await page.reload()
        await expect(page.locator(".status")).to_contain_text("No answer from the gateway")


@pytest.mark.parametrize("clipboard", [True, False], ids=["clipboard", "no clipboard"])
async def test_samples_carry_the_address_and_can_be_copied(
    visitor: Visitor, *, clipboard: bool
) -> None:
    async with visitor.page(permissions=["clipboard-read", "clipboard-write"]) as page:
        if not clipboard:  # as on plain HTTP away from localhost
            await page.context.add_init_script(
                """Object.defineProperty(navigator, "clipboard", { value: undefined });"""
            )
            await page.reload()
        sample = page.locator(".code")
        await sample.get_by_role("button", name="Copy").click()
        await expect(sample.locator(".copy")).to_have_text("Copied")
        await page.locator("#question").focus()
        await page.keyboard.press("Control+V")
        copied = await page.locator("#question").input_value()
        assert copied.startswith(f"curl {visitor.site.url}/v1/chat/completions \\\n")
        await page.get_by_role("tab", name="curl").press("ArrowRight")
        await expect(page.get_by_role("tab", name="Python")).to_be_focused()
        python = await sample.locator("code").inner_text()
        assert f'base_url="{visitor.site.url}/v1"' in python
        assert len(python.splitlines()) == 5
        compile(python, "sample", "exec")
