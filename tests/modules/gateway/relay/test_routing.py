"""The order in which channels are asked."""

import random
from collections import Counter

import pytest

from paifang.modules.gateway.relay.routing import Router
from paifang.modules.gateway.relay.snapshot import Channel


def channel(name: str, priority: int = 0, weight: int = 1) -> Channel:
    return Channel(name, name, "openai", "http://127.0.0.1:1/v1", priority=priority, weight=weight)


@pytest.fixture
def router() -> Router:
    return Router(max_cooldown=60, rng=random.Random(7))


def order(router: Router, *channels: Channel, now: float = 0.0) -> list[str]:
    return [c.id for c in router.candidates(channels, now)]


def test_a_single_channel_is_the_candidate(router):
    assert order(router, channel("a")) == ["a"]
    assert order(router) == []


def test_higher_priorities_come_first_and_each_channel_once(router):
    channels = (channel("a", 9), channel("b", 5), channel("c", 5), channel("d", 1))
    for _ in range(50):
        names = order(router, *channels)
        assert names[0] == "a"
        assert set(names[1:3]) == {"b", "c"}
        assert names[3:] == ["d"]


def test_weights_share_the_calls(router):
    firsts = Counter(
        order(router, channel("a", weight=3), channel("b", weight=1))[0] for _ in range(4000)
    )
    assert 2800 < firsts["a"] < 3200


def test_weight_zero_is_asked_last(router):
    for _ in range(50):
        assert order(router, channel("a", weight=0), channel("b", weight=1)) == ["b", "a"]


def test_only_weights_of_zero_are_shared_evenly(router):
    firsts = Counter(
        order(router, channel("a", weight=0), channel("b", weight=0))[0] for _ in range(1000)
    )
    assert 400 < firsts["a"] < 600


def test_a_cooling_channel_is_left_out_until_its_time(router):
    router.cool("a", 429, 10, now=0)
    assert order(router, channel("a"), channel("b"), now=9.9) == ["b"]
    assert order(router, channel("a"), now=9.9) == []
    assert order(router, channel("a"), now=10.0) == ["a"]


def test_the_longer_wish_stays(router):
    router.cool("a", 429, 30, now=0)
    router.cool("a", 503, 5, now=1)
    assert router.cooling("a", 29)
    router.cool("a", 503, 50, now=1)
    assert router.cooling("a", 50)


def test_a_wish_has_a_bound(router):
    router.cool("a", 429, 10_000, now=0)
    assert router.cooling("a", 59)
    assert not router.cooling("a", 60)


def test_when_all_cool_the_answer_says_when_the_first_is_back(router):
    router.cool("a", 503, 30, now=0)
    router.cool("b", 429, 12.2, now=0)
    refusal = router.all_cooling((channel("a"), channel("b")), "m", 2)
    assert refusal.status == 429
    assert dict(refusal.headers)[b"retry-after"] == b"11"
    router.cool("b", 429, 40, now=0)
    assert router.all_cooling((channel("a"), channel("b")), "m", 2).status == 503


def test_channels_that_are_gone_are_forgotten(router):
    router.cool("a", 429, 10, now=0)
    router.cool("b", 429, 10, now=0)
    router.keep_only({"b"})
    assert not router.cooling("a", 1)
    assert router.cooling("b", 1)
