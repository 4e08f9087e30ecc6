import math

import pytest
from region_fields.engine import InputError
from region_fields.engine.ops.checks import counted
from region_fields.engine.ops.fields import check_number


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [(1, "box", "1 box"), (2, "box", "2 boxes"), (0, "label", "0 labels"), (1, "label", "1 label")],
)
def test_a_count_agrees_with_its_noun(count, noun, text):
    assert counted(count, noun) == text


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 1, "from 0 to 1, got inf"),
        (0, math.inf, "of 0 or more, not infinite, got inf"),
        (-math.inf, 5, "of 5 or less, not infinite, got inf"),
        (-math.inf, math.inf, "that is finite, got inf"),
    ],
)
def test_a_number_that_is_refused_isnt_one_of_those_asked_for(low, high, wanted):
    with pytest.raises(InputError, match=f"^Here: wanted a number {wanted}.$"):
        check_number("Here", math.inf, low, high)
