"""Asking a model from the app's home: the whole way, with an upstream that is told what to do."""

import re

import pytest
from playwright.async_api import Page, expect

from doubles.openai_answers import Behaviour
from doubles.openai_upstream import OpenAIDouble
from e2e.visitor import PHONE, Visitor, too_wide

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser: try"),  # one site and one browser for the file
    pytest.mark.usefixtures("reference"),
]


async def use_token(page: Page, token: str) -> None:
    await page.fill("#token", token)
    await page.press("#token", "Enter")


async def test_a_question_is_answered_with_the_keyboard_alone(
    visitor: Visitor, upstream: OpenAIDouble
) -> None:
    async with visitor.page() as page:
        await page.locator("#token").focus()
        await page.keyboard.type(visitor.site.token)
        await page.keyboard.press("Enter")
        await expect(page.locator("#token-state")).to_contain_text("Models it may call: 2")
        await expect(page.locator("#question")).to_be_focused()
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.type("chat")
        await page.keyboard.press("Tab")
        await expect(page.locator(".code")).to_contain_text('"model": "chat"')
        await page.keyboard.type("What is a paifang?")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".answer")).to_have_text("word0 word1 word2 ")
        await expect(page.locator(".outcome")).to_contain_text("4 tokens in, 3 out")
    asked = upstream.requests[-1].data
    assert asked["messages"] == [{"role": "user", "content": "What is a paifang?"}]
    assert asked["stream"] is True


async def test_the_token_is_kept_nowhere(visitor: Visitor) -> None:
    async with visitor.page() as page:
        await use_token(page, visitor.site.token)
        await expect(page.locator("#token-state")).to_contain_text("The token is good")
        state = await page.context.storage_state()
        stored = await page.evaluate("JSON.stringify([localStorage, sessionStorage, location])")
        assert visitor.site.token not in f"{state}{stored}"
        assert visitor.site.token not in await page.content()
        await page.reload()
        assert await page.locator("#token").input_value() == ""


async def test_a_wrong_token_is_refused_in_words_with_the_request_id(visitor: Visitor) -> None:
    visitor.expected = [r"status of 401"]
    async with visitor.page() as page:
        async with page.expect_response("**/v1/models") as waiting:
            await use_token(page, "pf_live_wrong")
        answer = await waiting.value
        state = page.locator("#token-state")
        await expect(state).to_contain_text("does not accept this token")
        await expect(state).to_contain_text(answer.headers["x-request-id"])
        # A right one afterwards works.
        await use_token(page, visitor.site.token)
        await expect(state).to_contain_text("The token is good")


async def test_what_is_missing_is_said_before_anything_is_sent(visitor: Visitor) -> None:
    async with visitor.page() as page:
        await page.locator(".primary").click()
        await expect(page.locator("#token-state")).to_have_text("Paste a token first.")
        await expect(page.locator("#token")).to_be_focused()
        await use_token(page, "令牌")
        await expect(page.locator("#token-state")).to_contain_text("This is no token")
        await use_token(page, visitor.site.token)
        await expect(page.locator("#question")).to_be_focused()
        await page.locator(".primary").click()
        await expect(page.locator(".outcome")).to_have_text("Write a question first.")


@pytest.mark.parametrize("how", ["button", "escape"])
async def test_an_answer_can_be_stopped(visitor: Visitor, upstream: OpenAIDouble, how: str) -> None:
    upstream.script.append(Behaviour(pieces=1000, gap=0.05))
    async with visitor.page() as page:
        await use_token(page, visitor.site.token)
        await page.fill("#question", "Tell me a long story.")
        await page.locator(".primary").click()
        await expect(page.locator(".answer")).to_contain_text("word1")
        if how == "button":
            await page.get_by_role("button", name="Stop").click()
        else:
            await page.keyboard.press("Escape")
        await expect(page.locator(".outcome")).to_have_text("Stopped.")
        await expect(page.locator(".primary")).to_be_focused()
        # The upstream is told, so that nobody pays for words that nobody reads.
        await upstream.requests[-1].disconnected.wait()


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Behaviour(status=400, error_code="bad_thing"), r"The gateway answered 400\. .+"),
        (Behaviour(pieces=5, error_after=2), r"The answer broke off\. .+"),
        (Behaviour(pieces=5, cut_after=2), r"The answer broke off\. .+"),
    ],
    ids=["refused", "error in the stream", "cut"],
)
async def test_a_failed_answer_is_told_in_words_with_the_request_id(
    visitor: Visitor, upstream: OpenAIDouble, behaviour: Behaviour, expected: str
) -> None:
    visitor.expected = [r"status of 4\d\d", r"ERR_"]
    upstream.script.append(behaviour)
    async with visitor.page() as page:
        await use_token(page, visitor.site.token)
        await page.fill("#question", "What is a paifang?")
        await page.locator(".primary").click()
        outcome = page.locator(".outcome")
        await expect(outcome).to_have_text(re.compile(rf"{expected} Request ID [0-9a-f]{{32}}$"))
        await expect(outcome).to_have_class(re.compile(r"\bbad\b"))
        await page.locator("[data-language=zh-CN]").click()
        await expect(outcome).to_contain_text("请求 ID")
        # The form is ready for the next question.
        await page.locator(".primary").click()
        await expect(outcome).to_contain_text("输入 4 个 token")


async def test_an_answer_is_text_and_nothing_in_it_runs(
    visitor: Visitor, upstream: OpenAIDouble
) -> None:
    upstream.script.append(Behaviour(pieces=1, word="<img src=x onerror=alert(1)>"))
    async with visitor.page() as page:
        await use_token(page, visitor.site.token)
        await page.fill("#question", "Draw.")
        await page.press("#question", "Control+Enter")
        await expect(page.locator(".answer")).to_contain_text("<img src=x")
        assert await page.locator(".answer img").count() == 0


async def test_a_long_word_breaks_instead_of_widening_the_page(
    visitor: Visitor, upstream: OpenAIDouble
) -> None:
    upstream.script.append(Behaviour(pieces=2, word="w" * 500))
    async with visitor.page(**PHONE) as page:
        await use_token(page, visitor.site.token)
        await page.fill("#question", "x" * 500)
        await page.press("#question", "Control+Enter")
        await expect(page.locator(".answer")).to_contain_text("wwww")
        assert await too_wide(page) == 0
