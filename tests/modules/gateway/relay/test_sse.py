"""Reading streams: what passes, what is removed, what is counted."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paifang.modules.gateway.relay.meter import MalformedAnswerError
from paifang.modules.gateway.relay.record import Usage
from paifang.modules.gateway.relay.sse import StreamMeter


def event(text: str = "", **fields: Any) -> bytes:
    data = {"id": "x", "choices": [{"delta": {"content": text}, "finish_reason": None}], **fields}
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
USAGE_EVENT = b'data: {"id":"x","choices":[],"usage":' + json.dumps(USAGE).encode() + b"}\n\n"
DONE = b"data: [DONE]\n\n"


def run(chunks: list[bytes], *, strip: bool = True, max_event: int = 4096) -> tuple[bytes, Usage]:
    meter = StreamMeter(strip=strip, max_event=max_event)
    out = b""
    for chunk in chunks:
        part = meter.feed(chunk)
        out += part
        if part:
            meter.delivered()
    out += meter.flush()
    meter.delivered()
    return out, meter.result(lambda: 100, complete=meter.finished())


def test_the_usage_we_asked_for_is_read_and_removed():
    out, usage = run([event("a") + event("b") + USAGE_EVENT + DONE])
    assert out == event("a") + event("b") + DONE
    assert usage == Usage(9, 0, 0, 2, 0)


def test_the_usage_the_client_asked_for_stays():
    stream = event("a", usage=None) + USAGE_EVENT + DONE
    out, usage = run([stream], strip=False)
    assert out == stream
    assert usage == Usage(9, 0, 0, 2, 0)


def test_events_with_content_are_never_removed_nor_changed():
    stream = event("a", usage=None) + event("b", usage=USAGE) + DONE
    out, usage = run([stream])
    assert out == stream
    assert usage == Usage(9, 0, 0, 2, 0)


def test_the_last_of_several_numbers_counts():
    first = {"prompt_tokens": 9, "completion_tokens": 1}
    _, usage = run([event("a", usage=first), event("b", usage=USAGE), DONE])
    assert usage == Usage(9, 0, 0, 2, 0)


def test_without_numbers_what_was_delivered_is_estimated():
    _, usage = run([event("a" * 10), event("b" * 10), DONE])
    assert usage == Usage(100, 0, 0, 5, 0, estimated=True)


def test_a_stream_that_breaks_off_is_billed_by_what_was_delivered():
    meter = StreamMeter(strip=True, max_event=4096)
    meter.feed(event("a" * 10))
    meter.delivered()
    meter.feed(event("b" * 10))  # read, and never sent
    assert meter.result(lambda: 7, complete=False) == Usage(7, 0, 0, 3, 0, estimated=True)


def test_numbers_on_the_way_count_for_the_prompt_of_a_stream_that_breaks_off():
    meter = StreamMeter(strip=True, max_event=4096)
    meter.feed(event("a" * 40, usage={"prompt_tokens": 33, "completion_tokens": 1}))
    meter.delivered()
    assert meter.result(lambda: 7, complete=False) == Usage(33, 0, 0, 10, 0, estimated=True)


def test_final_numbers_count_even_if_the_client_leaves_right_after():
    meter = StreamMeter(strip=True, max_event=4096)
    meter.feed(event("a") + USAGE_EVENT)
    assert meter.result(lambda: 7, complete=False) == Usage(9, 0, 0, 2, 0)


EARLY = {"prompt_tokens": 33, "completion_tokens": 0, "total_tokens": 33}
EARLY_ALONE = b'data: {"choices":[],"usage":' + json.dumps(EARLY).encode() + b"}\n\n"


@pytest.mark.parametrize("first", [event("", usage=EARLY), EARLY_ALONE])
@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("many", [1, 5000])
def test_content_behind_the_last_numbers_is_estimated(first, strip, many):
    words = [event("word" * 10)] * many
    _, usage = run([first, *words, DONE], strip=strip)
    assert usage == Usage(33, 0, 0, 10 * many, 0, estimated=True)
    _, usage = run([first, b"".join(words) + DONE], strip=strip, max_event=2**20)
    assert usage == Usage(33, 0, 0, 10 * many, 0, estimated=True)


@pytest.mark.parametrize("first", [event("", usage=EARLY), EARLY_ALONE])
def test_content_behind_early_numbers_is_billed_when_the_client_leaves(first):
    meter = StreamMeter(strip=True, max_event=4096)
    meter.feed(event("") + first + event("a" * 40))
    meter.delivered()
    meter.feed(event("b" * 40))  # read, and never sent
    assert meter.result(lambda: 7, complete=False) == Usage(33, 0, 0, 10, 0, estimated=True)


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("behind", [b"", event(""), event("", choices=[]), b": bye\n\n"])
@pytest.mark.parametrize("many", [1, 2000])
def test_numbers_with_every_piece_are_exact(strip, behind, many):
    pieces = [
        event("word" * 10, usage={"prompt_tokens": 9, "completion_tokens": n + 1})
        for n in range(many)
    ]
    _, usage = run([*pieces, behind, DONE], strip=strip)
    assert usage == Usage(9, 0, 0, many, 0)
    _, usage = run([b"".join(pieces) + behind + DONE], strip=strip, max_event=2**20)
    assert usage == Usage(9, 0, 0, many, 0)


def test_larger_numbers_than_the_estimate_stay_when_content_comes_behind_them():
    told = {"prompt_tokens": 9, "completion_tokens": 50}
    _, usage = run([event("a" * 40, usage=told), event("b"), DONE])
    assert usage == Usage(9, 0, 0, 50, 0, estimated=True)


def test_numbers_told_from_outside_cover_what_was_fed():
    meter = StreamMeter(strip=False, max_event=4096)
    meter.feed(event("a" * 40) + DONE)
    meter.told(Usage(1, 0, 0, 2, 0))
    meter.delivered()
    assert meter.result(lambda: 0, complete=True) == Usage(1, 0, 0, 2, 0)


def test_an_error_with_our_credential_is_not_told():
    for error in ({"message": "key sk-0123456789", "code": 401}, "no: sk-0123456789"):
        meter = StreamMeter(strip=True, max_event=4096, secret="sk-0123456789")
        meter.feed(event("a") + b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
        assert meter.over
        assert "sk-0" not in json.dumps(meter.error)
    meter = StreamMeter(strip=True, max_event=4096, secret="ollama")
    meter.feed(b'data: {"error": "ollama does not know it"}\n\n')
    assert meter.error == "ollama does not know it"


def test_tool_calls_and_reasoning_are_counted():
    calls = [{"index": 0, "function": {"name": "look", "arguments": '{"a":1}x'}}]
    delta = {"tool_calls": calls, "reasoning_content": "r" * 12}
    chunk = b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"
    _, usage = run([chunk, DONE])
    assert usage == Usage(100, 0, 0, 3, 3, estimated=True)


def test_a_long_stream_without_numbers_is_counted_on_the_way_and_holds_no_memory():
    meter = StreamMeter(strip=True, max_event=4096)
    piece = event("abcd" * 10)
    for _ in range(5000):
        meter.feed(piece)
        meter.delivered()
        assert meter._delivered_size < 40_000
    assert meter.result(lambda: 0, complete=False).output == 50_000


def test_what_comes_after_done_is_dropped():
    out, _ = run([event("a") + DONE + event("b"), event("c")])
    assert out == event("a") + DONE


def test_an_error_event_is_noticed_and_held_back_with_all_that_follows():
    broken = b'data: {"error":{"message":"no"}}\n\n'
    meter = StreamMeter(strip=True, max_event=4096)
    assert meter.feed(event("a") + broken + event("b")) == event("a")
    assert meter.over
    assert meter.error == {"message": "no"}
    assert not meter.finished()


def test_an_error_as_the_first_event_is_no_content():
    meter = StreamMeter(strip=True, max_event=4096)
    meter.feed(b': hello\n\nevent: error\ndata: {"object":"error","message":"no"}\n\n')
    assert not meter.started
    assert meter.error["message"] == "no"


def test_comments_and_usage_alone_are_no_content():
    meter = StreamMeter(strip=True, max_event=4096)
    meter.feed(b": keep-alive\n\n" + USAGE_EVENT)
    assert not meter.started
    meter.feed(event(""))
    assert meter.started


def test_a_first_event_that_is_no_json_is_an_error_and_a_later_one_passes():
    with pytest.raises(MalformedAnswerError):
        StreamMeter(strip=True, max_event=4096).feed(b"data: {oops\n\n")
    meter = StreamMeter(strip=True, max_event=4096)
    odd = b'data: {"usage": oops\n\n'
    assert meter.feed(event("a") + odd) == event("a") + odd


def test_an_incomplete_event_is_held_until_it_is_complete_and_dropped_by_a_cut():
    meter = StreamMeter(strip=True, max_event=4096)
    whole = event("héllo")
    assert meter.feed(whole + whole[:20]) == whole
    assert meter.feed(whole[20:]) == whole
    meter.feed(whole[:20])
    assert meter.cut() == b""
    assert meter.flush() == b""


def test_a_last_event_without_its_empty_line_passes():
    out, usage = run([event("a") + USAGE_EVENT.rstrip()])
    assert out == event("a")
    assert usage.input == 9
    out, _ = run([event("a") + DONE.rstrip()])
    assert out == event("a") + DONE.rstrip()


def test_an_event_that_is_too_large_passes_as_it_comes_and_uncounted():
    large = event("x" * 5000)
    meter = StreamMeter(strip=True, max_event=1000)
    assert meter.feed(large[:1500]) == large[:1500]
    assert len(meter._tail) == 0
    assert meter.cut() == b"\n\n"  # ends the event if the stream broke off now
    assert meter.feed(large[1500:] + event("abcd") + DONE) == large[1500:] + event("abcd") + DONE
    meter.delivered()
    assert meter.result(lambda: 0, complete=True).output == 1


def test_finished_knows_a_whole_stream_from_a_cut_one():
    ended = event("a")[:-2].replace(b'"finish_reason": null', b'"finish_reason": "stop"') + b"\n\n"
    for stream, whole in ((event("a"), False), (event("a") + DONE, True), (ended, True)):
        meter = StreamMeter(strip=True, max_event=4096)
        meter.feed(stream)
        meter.delivered()
        assert meter.finished() is whole


breaks = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def sse_events(draw: st.DrawFn, line: str) -> str:
    """One event of any sort, lines ended by ``line``."""
    kinds = ["piece", "piece", "null", "usage", "with", "comment", "error", "large", "junk", "nl"]
    kind = draw(st.sampled_from(kinds))
    text = draw(st.text(max_size=12)) + draw(st.sampled_from(["", "usage", "[DONE]", "牌坊é"]))
    if kind == "comment":
        return f": {text!r}{line}{line}"
    if kind == "nl":
        return draw(breaks) * draw(st.integers(1, 3))
    if kind == "junk":
        return f"data: {{{text!r}{line}{line}"
    counts = st.integers(0, 9)
    usage = {"prompt_tokens": draw(counts), "completion_tokens": draw(counts)}
    data: dict[str, Any] = {
        "null": {"usage": None},
        "usage": {"usage": usage},
        "with": {"usage": usage},
        "error": {"error": {"message": text}},
        "large": {"padding": "p" * 600},
    }.get(kind, {})
    data["choices"] = [] if kind == "usage" else [{"delta": {"content": text}}]
    indent = draw(st.sampled_from([None, 1]))
    body = json.dumps(data, ensure_ascii=draw(st.booleans()), indent=indent)
    prefix = draw(st.sampled_from(["", f"event: x{line}", f": c{line}"]))
    field = draw(st.sampled_from(["data: ", "data:"]))
    return prefix + "".join(f"{field}{part}{line}" for part in body.split("\n")) + line


@st.composite
def sse_streams(draw: st.DrawFn) -> bytes:
    """Streams of every sort: providers' own, odd ones, and nearly broken ones."""
    line = draw(breaks)
    out = event("first").decode() + "".join(draw(st.lists(sse_events(line), max_size=8)))
    if draw(st.booleans()):
        out += f"data: [DONE]{line}{line}"
    out += draw(st.sampled_from(["", "data: [DO", line, "data: x"]))
    return out.encode("utf-8", "surrogatepass")


@settings(max_examples=400)
@given(sse_streams(), st.booleans(), st.data())
def test_how_a_stream_is_cut_changes_neither_its_bytes_nor_its_usage(stream, strip, data):
    whole = run([stream], strip=strip, max_event=500)
    assert run([stream[i : i + 1] for i in range(len(stream))], strip=strip, max_event=500) == whole
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert run([p for p in pieces if p], strip=strip, max_event=500) == whole


@settings(max_examples=200)
@given(sse_streams())
def test_only_usage_alone_is_ever_removed_and_nothing_before_done_is_lost(stream):
    kept, _ = run([stream], strip=False, max_event=500)
    assert stream.startswith(kept)
    stripped, _ = run([stream], strip=True, max_event=500)
    assert len(stripped) <= len(kept)
    if b'"usage"' not in kept:
        assert stripped == kept
