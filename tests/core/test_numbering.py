"""Event numbers: gaps are noticed, a server that begins anew is, and nobody is alarmed for less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.numbering import LATE, MOST_RANGES, RELATIVE, Numbering, heard, without


def after(*told: Sequence[int], totals: Sequence[int | None] = ()) -> Numbering:
    """Notifications with these numbers, one after the other."""
    found: Numbering | None = None
    for place, numbers in enumerate(told):
        found = heard(found, numbers, totals[place] if totals else None)
    assert found is not None
    return found


def test_numbers_that_go_on_are_whole() -> None:
    assert after([3], [4], [5, 6], [7]) == Numbering(7)
    assert after([]) == Numbering(0)
    assert after([7], []) == Numbering(7)


def test_the_first_that_is_heard_is_the_start() -> None:
    assert after([41]).is_whole
    assert after([], totals=[41]) == Numbering(41)
    assert after([3, 5], totals=[6]).missing == ((4, 4), (6, 6))


def test_a_number_that_is_left_out_is_missing_until_it_comes() -> None:
    assert after([21], [23]).missing == ((22, 22),)
    assert after([21], [25], [23]).missing == ((22, 22), (24, 24))
    assert after([21], [25], [23], [24, 22]) == Numbering(25)
    assert after([1], [3], [5], [2]).missing == ((4, 4),)


def test_a_heartbeat_tells_of_a_loss_at_the_end() -> None:
    assert after([7], [], totals=[7, 9]).missing == ((8, 9),)
    assert after([7], [], totals=[7, 7]).is_whole
    assert after([7], [8], totals=[7, 10]).missing == ((9, 10),)


def test_what_comes_again_or_late_changes_nothing() -> None:
    assert after([7], [7], [8], [7, 8], [6]) == Numbering(8)
    assert after([1], [1]) == Numbering(1)
    assert after([7], [8], [], totals=[None, None, 7]) == Numbering(8)


def test_a_server_that_begins_anew_may_have_lost_some() -> None:
    assert after([57], [1]) == Numbering(1, unread=True, beginnings=1)
    assert after([57], [2]).unread
    assert after([57], [1], [2]) == Numbering(2, unread=True)
    assert after([57], [1, 3]).missing == ((2, 2),)
    assert after([57], [], totals=[None, 0]).unread


def test_a_number_a_little_lower_is_late_and_much_lower_is_a_new_beginning() -> None:
    assert after([57], [57 - LATE]).is_whole
    assert after([57], [57 - LATE - 1]).unread


def test_numbers_that_count_within_each_bundle_alarm_nobody_for_long() -> None:
    found = after(*[[1, 2], [1]] * RELATIVE, [1, 2, 3])
    assert found.beginnings >= RELATIVE
    calm = Numbering(found.highest, beginnings=found.beginnings)
    for numbers in ([1], [1, 2], [1, 2, 3], [5]):
        calm = heard(calm, numbers, None)
        assert calm.is_whole
    assert heard(Numbering(4, beginnings=RELATIVE), [5], None) == Numbering(5)


def test_after_so_many_beginnings_the_numbers_count_for_nothing() -> None:
    before = Numbering(9, beginnings=RELATIVE - 2)
    assert heard(before, [1], None) == Numbering(1, unread=True, beginnings=RELATIVE - 1)
    before = replace(before, beginnings=RELATIVE - 1)
    assert heard(before, [1], None) == Numbering(1, beginnings=RELATIVE)


def test_many_holes_are_read_instead() -> None:
    found = after(*([number * 2] for number in range(MOST_RANGES + 2)))
    assert (found.missing, found.unread) == ((), True)


def test_ranges_less_ranges() -> None:
    assert without([(1, 9)], [(3, 4), (8, 12)]) == ((1, 2), (5, 7))
    assert without([(1, 2), (5, 6)], [(1, 6)]) == ()
    assert without([(5, 6)], [(1, 4), (7, 9)]) == ((5, 6),)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 40))
def test_a_number_that_never_came_is_missed_or_read_for(told: list[int], lost: int) -> None:
    """Whatever came before it: once a higher one is there, the loss is known."""
    found: Numbering | None = heard(None, [0], None)
    for number in [each for each in told if each != lost]:
        found = heard(found, [number], None)
    found = heard(found, [100], None)
    assert found.unread or any(low <= lost <= high for low, high in found.missing)


@settings(deadline=None)
@given(st.permutations(range(1, 12)))
def test_any_order_within_reach_ends_whole(told: list[int]) -> None:
    found: Numbering | None = heard(None, [0], None)
    for number in told:
        found = heard(found, [number], None)
    assert found == Numbering(11)
