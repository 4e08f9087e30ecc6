import pytest
from region_fields.engine.ops.checks import counted


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [(1, "box", "1 box"), (2, "box", "2 boxes"), (0, "label", "0 labels"), (1, "label", "1 label")],
)
def test_a_count_agrees_with_its_noun(count, noun, text):
    assert counted(count, noun) == text
