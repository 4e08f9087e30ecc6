from __future__ import annotations

import pytest
import torch
from region_fields.engine.preview import lettering
from region_fields.engine.preview.lettering import letter, text_size


def test_a_word_is_white_with_a_dark_rim_and_touches_nothing_far_away():
    grey = torch.full((60, 120, 3), 0.5)
    written = letter(grey, [(60, 30, "HI")], 20)
    assert written.max() > 0.95
    assert written.min() < 0.2
    assert torch.equal(written[:10], grey[:10])
    assert torch.equal(grey, torch.full_like(grey, 0.5)), "the input was written into"


def test_a_word_at_the_corner_is_moved_inside_whole():
    black = torch.zeros(60, 160, 3)
    inside = (letter(black, [(80, 30, "word")], 16) > 0.5).sum()
    for x, y in ((0, 0), (160, 0), (0, 60), (160, 60)):
        assert (letter(black, [(x, y, "word")], 16) > 0.5).sum() == inside


def test_larger_letters_take_more_room():
    assert text_size("word", 30)[0] > 1.5 * text_size("word", 15)[0]


def test_no_words_leave_the_picture_as_it_is():
    picture = torch.rand(5, 6, 3)
    assert torch.equal(letter(picture, [], 12), picture)


@pytest.fixture
def no_other_fonts(monkeypatch):
    monkeypatch.setattr(lettering, "_OTHER_FONTS", ())
    lettering._other_fonts.cache_clear()
    yield
    lettering._other_fonts.cache_clear()


def test_letters_that_no_font_has_lose_their_accents(no_other_fonts):
    black = torch.zeros(40, 160, 3)
    written = letter(black, [(80, 20, "\u00e9t\u00e9")], 20)
    assert torch.equal(written, letter(black, [(80, 20, "ete")], 20))
    assert text_size("\u00e9t\u00e9", 20) == text_size("ete", 20)


def test_accents_are_written_or_left_out_but_never_a_box():
    black = torch.zeros(40, 160, 3)
    accented = letter(black, [(80, 20, "\u00e9")], 20)
    assert not torch.equal(accented, letter(black, [(80, 20, "\uffff")], 20))
