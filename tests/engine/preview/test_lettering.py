from __future__ import annotations

import torch
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
