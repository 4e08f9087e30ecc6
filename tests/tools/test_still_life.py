from itertools import pairwise

import numpy as np
import pytest
from region_fields.tools.train_nano import things
from region_fields.tools.train_nano.canvas import OBJECT, PART
from region_fields.tools.train_nano.solids import Box, Drum
from region_fields.tools.train_nano.still_life import Window, draw
from region_fields.tools.train_nano.things import Joins, vector

BASE = vector(0, 0, 0)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def corners(box: Box) -> np.ndarray:
    """The eight corners of a box in scene units, (8, 3)."""
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(8, 3)
    c, s = np.cos(box.yaw), np.sin(box.yaw)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return box.centre + (signs * box.half) @ turn.T


@pytest.mark.parametrize("lying", [True, False])
def test_a_books_paper_fills_the_gap_between_its_covers(lying):
    place, half = vector(0.2, 0.1, -0.3), vector(0.5, 0.1, 0.4) if lying else vector(0.1, 0.5, 0.4)
    lower, paper, upper = (piece.solid for piece in things._book(place, half, 0.7, lying))
    gap = np.linalg.norm(upper.centre - lower.centre)
    axis = 1 if lying else 0
    assert gap == pytest.approx(2 * (half[axis] - lower.half[axis]), rel=1e-5)
    assert 2 * paper.half[axis] >= gap - 2 * lower.half[axis] - 1e-6
    low, high = corners(Box(place, half, 0.7)).min(0), corners(Box(place, half, 0.7)).max(0)
    for solid in (lower, paper, upper):
        np.testing.assert_array_less(low - 1e-5, corners(solid).min(0))
        np.testing.assert_array_less(corners(solid).max(0), high + 1e-5)


def test_each_book_of_a_pile_is_a_thing_of_its_own(rng):
    piles = [things._books(rng, BASE, 0.5)[0] for _ in range(20)]
    for pile in piles:
        books = sum(piece.joins is Joins.PAGES for piece in pile)
        balls = len(pile) - 3 * books
        assert balls in (0, 1)
        assert sum(piece.joins is Joins.NEW for piece in pile) == books + balls
        assert pile[0].joins is Joins.NEW
    assert max(len(pile) for pile in piles) > 6  # more than two books


def test_a_turned_body_has_no_gaps(rng):
    drums = [piece.solid for piece in things._turned(rng, BASE, 1.2, 0.5)]
    for below, above in pairwise(drums):
        top = below.base[1] + below.height
        assert above.base[1] == pytest.approx(top, abs=1e-6)
        assert above.low == below.high
        assert above.foot == pytest.approx(top, abs=1e-6)  # and its pattern goes on
    assert drums[-1].base[1] + drums[-1].height == pytest.approx(1.2, abs=1e-6)


def test_a_drum_shows_its_surface_from_its_foot_up():
    rays = vector(0, 0, 1)[None]
    _, _, low = Drum(BASE, 1.0, 0.5, 0.5).hit(vector(0, 0.25, -2)[None], rays)
    _, _, high = Drum(BASE, 1.0, 0.5, 0.5, foot=2.0).hit(vector(0, 0.25, -2)[None], rays)
    np.testing.assert_allclose(low, [[0, 0.25]], atol=1e-6)
    np.testing.assert_allclose(high, [[0, 2.25]], atol=1e-6)


def test_only_what_faces_the_window_mirrors_it(rng):
    window = Window(rng)
    ray = vector(0, 0, 1)
    facing = window.forward - ray  # the mirror that sends this ray into the window's middle
    facing = facing / np.linalg.norm(facing)
    away = vector(0, -1, 0)
    shares = [window.seen(ray[None, None], n[None, None]).max() for n in (facing, away)]
    on_a_bar = not all(panes % 2 for panes in window.panes)
    assert shares == [0.0 if on_a_bar else pytest.approx(window.brightness), 0.0]


def test_a_pile_of_books_shows_as_several_objects(monkeypatch, rng):
    monkeypatch.setattr(things, "KINDS", {"books": 1.0})
    monkeypatch.setattr(things, "flat", lambda rng: [])
    canvas = draw(rng, 64)
    kinds = np.array(canvas.kinds)
    assert (kinds == OBJECT).sum() > 2
    assert (kinds == PART).sum() == 0
    assert len(np.unique(canvas.labels)) > 4
