"""Small numbers stay hidden, also from somebody who subtracts."""

from hypothesis import given
from hypothesis import strategies as st

from hub.measures.suppress import hidden, small

ROW = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 60))


def test_a_count_below_five_is_hidden_and_a_zero_is_not() -> None:
    assert small((4, 0, 40), 5) and small((1, 1, 1), 5)
    assert not small((5, 0, 40), 5) and not small((0, 0, 0), 5)


def test_the_one_small_area_takes_the_next_smallest_with_it() -> None:
    rows = [(3, 10, 50), (20, 10, 80), (10, 5, 60)]
    assert hidden(rows, 5, partition=True) == (frozenset({0, 2}), False)


def test_groups_that_overlap_hide_only_themselves() -> None:
    assert hidden([(3, 10, 50), (20, 10, 80)], 5, partition=False) == (frozenset({0}), False)


def test_where_nothing_else_can_be_hidden_the_total_is() -> None:
    assert hidden([(3, 10, 50)], 5, partition=True) == (frozenset({0}), True)


@given(st.lists(ROW, min_size=1, max_size=6))
def test_no_total_gives_a_cell_away(rows: list[tuple[int, int, int]]) -> None:
    chosen, total_hidden = hidden(rows, 5, partition=True)
    assert all(n in chosen for n, row in enumerate(rows) if small(row, 5))
    if not chosen or total_hidden:
        return
    # What a reader learns by subtracting the shown rows from the total: sums over two rows or more, none small.
    assert len([n for n in chosen if sum(rows[n])]) >= 2
    for column in range(3):
        left = sum(row[column] for row in rows) - sum(row[column] for n, row in enumerate(rows) if n not in chosen)
        assert left == 0 or left >= 5
