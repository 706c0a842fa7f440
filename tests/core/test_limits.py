"""Rate limits against an exact model, and the rules of acquiring several at once."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paifang.core.limits import Bundle, Limit, Limiter, Rate, Refused, Slots, Standing

TICK = Fraction(1, 16)
"""Times in these tests are multiples of it, so that floats hold them exactly."""


def bundle(rule: Rate | Slots, key: str = "k", *, weighed: bool = False) -> Bundle:
    return Bundle([Limit("r", key, rule, weighed)])


def allowed(found: Standing | Refused) -> Standing:
    assert isinstance(found, list)
    return found


def refused(found: Standing | Refused) -> Refused:
    assert isinstance(found, Refused)
    return found


class Bucket:
    """A token bucket in exact arithmetic: what GCRA has to agree with."""

    def __init__(self, rate: Rate, now: Fraction) -> None:
        self.rate = rate
        self.level = Fraction(rate.limit)
        self.at = now

    def refill(self, now: Fraction) -> None:
        earned = (now - self.at) * self.rate.limit / Fraction(self.rate.period)
        self.level = min(self.level + earned, Fraction(self.rate.limit))
        self.at = now


steps = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(0, 400)),
        st.tuples(st.just("take"), st.integers(0, 12)),
        st.tuples(st.just("settle"), st.integers(-10, 25)),
    ),
    max_size=60,
)


@given(st.integers(1, 20), st.sampled_from([1, 10, 60]), st.integers(0, 10**9), steps)
def test_rate_agrees_with_an_exact_token_bucket(
    limit: int, period: int, start: int, steps: list[tuple[str, int]]
) -> None:
    rate = Rate(limit, period)
    weighed = bundle(rate, weighed=True)
    now = Fraction(start)
    limiter, model = Limiter(), Bucket(rate, now)
    for action, amount in steps:
        if action == "pass":
            now += amount * TICK
        model.refill(now)
        if action == "settle":
            limiter.finish(weighed, amount, float(now))
            model.level = min(model.level - amount, Fraction(limit))
        if action == "take":
            found = limiter.acquire(weighed, float(now), amount)
            if amount <= limit and model.level >= amount:
                allowed(found)
                model.level -= amount
            else:
                no = refused(found)
                assert no.never == (amount > limit)
                if not no.never:
                    need = (amount - model.level) * period / limit
                    assert no.retry_after == pytest.approx(float(need), abs=1e-4)
                    later = Limiter()
                    later._tat = dict(limiter._tat)
                    allowed(later.acquire(weighed, float(now) + no.retry_after, amount))
        left, used, whole = limiter.standing(weighed, float(now))
        assert int(left) == max(int(model.level // 1), 0)
        full = (limit - model.level) * period / limit
        assert used == pytest.approx(float(full), abs=1e-4)
        assert used - 1e-5 <= int(whole) < used + 1


@given(st.integers(1, 30), st.lists(st.integers(0, 32), min_size=1, max_size=200))
def test_no_window_of_any_place_lets_more_than_burst_and_refill_through(
    limit: int, gaps: list[int]
) -> None:
    limiter, one, now = Limiter(), bundle(Rate(limit, 10)), 0.0
    passed: list[float] = []
    for gap in gaps:
        now += gap / 16
        if not isinstance(limiter.acquire(one, now), Refused):
            passed.append(now)
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            length = passed[last] - begin
            assert last - first + 1 <= limit + length * limit / 10 + 1e-6


def test_full_burst_passes_and_the_next_waits_one_unit() -> None:
    limiter, one = Limiter(), bundle(Rate(3, 1))
    for left in (2, 1, 0):
        assert int(allowed(limiter.acquire(one, 1.7e9))[0]) == left
    no = refused(limiter.acquire(one, 1.7e9))
    assert (no.limit.name, no.limit.rule.limit, int(no.standing[0]), no.never) == (
        "r", 3, 0, False,
    )  # fmt: skip
    assert no.retry_after == pytest.approx(1 / 3, abs=1e-5)
    assert no.standing[1] == pytest.approx(1, abs=1e-5)


def test_full_burst_passes_whatever_the_limit_and_the_time() -> None:
    for limit in range(1, 200):  # one float error in the refusing direction would show
        limiter, one = Limiter(), bundle(Rate(limit, 60))
        for taken in range(limit):
            standing = allowed(limiter.acquire(one, 1.7e9 + 0.1))
            assert int(standing[0]) == limit - taken - 1
        refused(limiter.acquire(one, 1.7e9 + 0.1))


def test_rest_saves_up_no_more_than_a_full_account() -> None:
    limiter, weighed = Limiter(), bundle(Rate(10, 10), weighed=True)
    limiter.acquire(weighed, 0.0, 1)
    assert int(allowed(limiter.acquire(weighed, 1000.0, 3))[0]) == 7


def test_several_limits_are_charged_all_or_not_at_all() -> None:
    limiter = Limiter()
    several = Bundle(
        [
            Limit("group-concurrency", "c", Slots(1)),
            Limit("token-rpm", "a", Rate(10)),
            Limit("token-tpm", "b", Rate(1000), weighed=True),
        ]
    )
    assert [limit.key for limit in several.limits] == ["a", "b", "c"]
    standing = allowed(limiter.acquire(several, 0.0, 400))
    assert [int(standing[place]) for place in (0, 3, 6)] == [9, 600, 0]
    for _ in range(3):
        no = refused(limiter.acquire(several, 0.0, 400))
        assert no.limit.name == "group-concurrency"
        assert [int(no.standing[place]) for place in (0, 3, 6)] == [9, 600, 0]
    limiter.finish(several, 0, 0.0)
    assert limiter.held("c") == 0
    allowed(limiter.acquire(several, 0.0, 400))
    limiter.finish(several, 100, 0.0)
    assert int(limiter.standing(several, 0.0)[3]) == 100
    no = refused(limiter.acquire(several, 0.0, 101))
    assert no.limit.name == "token-tpm"
    assert limiter.held("c") == 0


def test_of_several_refusals_the_longest_is_told() -> None:
    limiter = Limiter()
    limits = [Limit("a", "a", Rate(1, 10)), Limit("b", "b", Rate(1, 60))]
    three = Bundle([*limits, Limit("c", "c", Slots(1))])
    allowed(limiter.acquire(three, 0.0))
    no = refused(limiter.acquire(three, 0.0))
    assert (no.limit.name, no.retry_after) == ("b", 60)
    allowed(limiter.acquire(Bundle(limits), 60.0))


def test_cost_over_the_limit_never_passes_and_says_so() -> None:
    no = refused(Limiter().acquire(bundle(Rate(100), weighed=True), 0.0, 101))
    assert no.never
    assert 0 < no.retry_after < 1e6


@pytest.mark.parametrize("rule", [Rate(0), Slots(0)])
@pytest.mark.parametrize("weight", [0, 1])
def test_limit_of_zero_refuses_everything(rule: Rate | Slots, weight: int) -> None:
    limiter = Limiter()
    no = refused(limiter.acquire(bundle(rule, weighed=isinstance(rule, Rate)), 0.0, weight))
    assert (no.never, no.limit.rule.limit, int(no.standing[0])) == (True, 0, 0)
    assert len(limiter) == 0


def test_settling_beyond_the_limit_is_a_debt_that_is_earned_back() -> None:
    limiter, weighed = Limiter(), bundle(Rate(100, 10), weighed=True)
    limiter.acquire(weighed, 0.0, 1)
    limiter.finish(weighed, 299, 0.0)
    no = refused(limiter.acquire(weighed, 0.0, 1))
    assert no.standing[0] == 0
    assert no.retry_after == pytest.approx(20.1)
    refused(limiter.acquire(weighed, 20.05, 1))
    allowed(limiter.acquire(weighed, 20.11, 1))


def test_giving_back_never_makes_more_than_a_full_account() -> None:
    limiter, weighed = Limiter(), bundle(Rate(10, 10), weighed=True)
    limiter.acquire(weighed, 0.0, 5)
    limiter.finish(weighed, -50, 1.0)
    assert int(limiter.standing(weighed, 1.0)[0]) == 10
    assert len(limiter) == 0


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_slots_are_never_over_the_limit_nor_below_zero(actions: list[bool], limit: int) -> None:
    limiter, slots, held = Limiter(), bundle(Slots(limit)), 0
    for take in actions:
        if take:
            passed = not isinstance(limiter.acquire(slots, 0.0), Refused)
            assert passed == (held < limit)
            held = min(held + 1, limit)
        else:
            limiter.finish(slots, 0, 0.0)
            held = max(held - 1, 0)
        assert limiter.held("k") == held
    assert len(limiter) == (1 if held else 0)


def test_slots_above_a_limit_that_was_lowered_are_still_given_back() -> None:
    limiter, slots, lowered = Limiter(), bundle(Slots(3)), bundle(Slots(1))
    for _ in range(3):
        limiter.acquire(slots, 0.0)
    assert limiter.standing(lowered, 0.0) == [0]
    for _ in range(2):
        refused(limiter.acquire(lowered, 0.0))
        limiter.finish(slots, 0, 0.0)
    limiter.finish(slots, 0, 0.0)
    allowed(limiter.acquire(lowered, 0.0))


def test_keys_at_rest_are_forgotten_by_themselves() -> None:
    limiter, rate = Limiter(), Rate(10, 1)
    for number in range(50_000):  # each is full again after 0.1 s; 1,000 come in a second
        limiter.acquire(bundle(rate, str(number)), number / 1000)
        assert len(limiter) <= 2048
    assert limiter.prune(50.2) > 0
    assert len(limiter) == 0


def test_senseless_limits_and_weights_are_value_errors() -> None:
    for limit, period in ((-1, 1.0), (1, 0.0), (1, -1.0), (1, float("inf")), (1, float("nan"))):
        with pytest.raises(ValueError, match="rate"):
            Rate(limit, period)
    for limit, after in ((-1, 1.0), (1, 0.0), (1, float("inf"))):
        with pytest.raises(ValueError, match="slots"):
            Slots(limit, after)
    for rule in (Rate(1), Rate(0)):
        with pytest.raises(ValueError, match="negative"):
            Limiter().acquire(bundle(rule, weighed=True), 0.0, -1)
