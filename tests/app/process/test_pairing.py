"""Which pictures are compared, and when more of them."""

from __future__ import annotations

import pytest

from rayfield.app.process import pairing


class Fake:
    """Pictures in a chain of clusters; two find each other if compared and of one cluster or
    linked. Counts what is asked of it."""

    def __init__(self, count: int, links: set[tuple[int, int]]) -> None:
        self.count, self.links = count, links
        self.asked: list[tuple[int, int]] = []
        self.placings = 0

    def match(self, found: list[tuple[int, int]]) -> None:
        self.asked += found

    def place(self) -> list[set[int]]:
        """The connected parts of two pictures or more, the largest first."""
        self.placings += 1
        parts = [{i} for i in range(self.count)]
        for i, j in set(self.asked) & self.links:
            a, b = (next(p for p in parts if k in p) for k in (i, j))
            if a is not b:
                parts.remove(b)
                a |= b
        return sorted((p for p in parts if len(p) > 1), key=len, reverse=True)

    def run(self, plan: tuple[str, ...], enough: float = 0.8) -> pairing.Escalated:
        return pairing.escalate(plan, self.count, enough=enough, match=self.match, place=self.place)


ALL = ("sequential", "missing", "exhaustive")


def chain(count: int) -> set[tuple[int, int]]:
    return {(i, i + 1) for i in range(count - 1)}


def test_few_photos_are_all_compared_and_many_first_in_sequence():
    assert pairing.stages(150, video=False, matching="auto") == ("exhaustive",)
    assert pairing.stages(151, video=False, matching="auto") == ALL
    assert pairing.stages(60, video=True, matching="auto") == ("exhaustive",)
    assert pairing.stages(61, video=True, matching="auto") == ALL
    assert pairing.stages(1000, video=True, matching="exhaustive") == ("exhaustive",)
    assert pairing.stages(10, video=False, matching="sequential") == ("sequential",)


@pytest.mark.parametrize("stage", ["sequential", "missing", "exhaustive"])
@pytest.mark.parametrize("count", [2, 3, 40, 200])
def test_pairs_are_ordered_and_in_range(stage, count):
    assert all(0 <= i < j < count for i, j in pairing.pairs(stage, count, placed={0}))


def test_the_sequence_compares_neighbours_and_closes_loops_at_a_fraction_of_the_cost():
    found = pairing.pairs("sequential", 400)
    assert all((i, i + 1) in found and (i, i + 5) in found for i in range(390))
    assert (0, 390) in found  # where a way round the subject closes
    assert len(found) < 0.1 * len(pairing.pairs("exhaustive", 400))


def test_missing_pictures_are_compared_with_all():
    found = pairing.pairs("missing", 5, placed={0, 1, 3})
    assert found == {(0, 2), (1, 2), (2, 3), (2, 4), (0, 4), (1, 4), (3, 4)}


def test_ordering_keeps_every_pair():
    found = pairing.pairs("exhaustive", 70)
    assert set(pairing.ordered(found)) == found
    blocks = [(i // pairing.BLOCK, j // pairing.BLOCK) for i, j in pairing.ordered(found)]
    assert blocks == sorted(blocks)


def test_a_sequence_that_holds_needs_no_second_stage():
    fake = Fake(100, chain(100))
    found = fake.run(ALL)
    assert found.stages == ("sequential",)
    assert fake.placings == 1
    assert found.models == [set(range(100))]


def test_a_broken_sequence_is_mended_by_comparing_what_is_missing():
    links = chain(100) - {(69, 70)} | {(11, 95)}  # two parts that see each other elsewhere
    fake = Fake(100, links)
    found = fake.run(ALL)
    assert found.stages == ("sequential", "missing")
    assert len(found.models[0]) == 100


def test_what_was_compared_is_not_compared_again():
    fake = Fake(100, chain(50))
    found = fake.run(ALL)
    assert found.stages == ALL
    assert len(fake.asked) == len(set(fake.asked)) == 100 * 99 // 2
    assert found.compared == frozenset(fake.asked)


def test_a_few_lost_pictures_do_not_make_everything_be_compared():
    fake = Fake(100, chain(95))
    assert fake.run(ALL).stages == ("sequential", "missing")


def test_all_is_compared_where_too_few_have_a_place():
    fake = Fake(100, chain(95))
    assert fake.run(ALL, enough=0.97).stages == ALL


def test_without_any_model_every_stage_is_tried():
    fake = Fake(90, set())
    found = fake.run(ALL)
    assert found.models == []
    assert found.stages == ("sequential", "missing")  # which then compared everything
    assert len(found.compared) == 90 * 89 // 2
