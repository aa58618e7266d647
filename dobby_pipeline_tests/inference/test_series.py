"""A run over time, in a buffer that does not grow."""

from hypothesis import given
from hypothesis import strategies as st

from dobby_pipeline.inference.series import Sample, Series


def filled(count: int, most: int) -> Series:
    """A sample each second at the most: 2 requests and 30 tokens a second, 7 MB once."""
    series = Series(every_s=1.0, most=most)
    for second in range(count):
        if second % series.every_s == 0:
            memory = 7_000_000 if second == count // 2 else 5_000_000
            series.add(Sample(second, 2 * second, 30 * second, memory, 4))
    return series


def test_until_it_is_full_every_sample_is_kept():
    series = filled(20, most=20)
    assert [s.at for s in series.samples] == list(range(20))
    assert series.every_s == 1


def test_a_full_buffer_keeps_half_and_is_filled_half_as_fast():
    series = filled(40, most=20)
    assert len(series.samples) <= 20
    assert series.every_s > 1
    gaps = {b.at - a.at for a, b in zip(series.samples, series.samples[1:], strict=False)}
    assert max(gaps) <= 2 * series.every_s


@given(count=st.integers(2, 3000), most=st.integers(4, 60))
def test_however_long_a_run_is_the_buffer_is_bounded_and_the_rates_are_right(count, most):
    series = filled(count, most)
    assert len(series.samples) <= most
    assert series.samples[0].at == 0
    rates = series.rates(10)
    assert 1 <= len(rates) <= 11
    for rate in rates:
        assert round(rate.requests_a_minute) == 120
        assert round(rate.tokens_a_second) == 30
        assert rate.busy == 4


def test_the_highest_memory_survives_the_halving():
    series = Series(every_s=1.0, most=8)
    for second in range(200):
        if second % series.every_s == 0 or second == 3:
            series.add(Sample(second, 0, 0, 9 if second == 3 else 1, 0))
    assert max(rate.memory for rate in series.rates()) == 9


def test_of_one_moment_there_is_no_rate():
    assert filled(1, 10).rates() == []
    assert Series(1.0).rates() == []
