from __future__ import annotations

import pytest
import torch

from rayfield.math.boxes import points_in_boxes


def brute_force(points, low, high, point_group, box_group):
    inside = ((points[:, None] >= low) & (points[:, None] <= high)).all(-1)
    return inside & (point_group[:, None] == box_group)


@pytest.mark.parametrize("size", [0.0, 0.02, 0.5, 3.0])
@pytest.mark.parametrize("groups", [1, 3])
def test_pairs_are_those_that_asking_every_box_finds(size, groups, generator):
    points = torch.rand(400, 2, generator=generator) * torch.tensor([2.0, 0.3])
    low = torch.rand(150, 2, generator=generator) * 3 - 1
    low[:40] = points[:40]  # boxes that touch a point with a corner
    high = low + size * torch.rand(150, 2, generator=generator)
    point_group = torch.randint(groups, (400,), generator=generator)
    box_group = torch.randint(groups + 1, (150,), generator=generator)
    point, box = points_in_boxes(points, low, high, point_group=point_group, box_group=box_group)
    count = torch.zeros(400, 150, dtype=torch.long)
    count.index_put_((point, box), torch.ones_like(point), accumulate=True)
    assert torch.equal(count, brute_force(points, low, high, point_group, box_group).long())
    assert (box.diff() >= 0).all()


def test_boxes_that_are_no_numbers_and_empty_inputs_hold_nothing():
    points, zero = torch.rand(5, 2), torch.zeros(5, dtype=torch.long)
    nan = torch.full((5, 2), float("nan"))
    for some, boxes in ((points, nan), (points, nan[:0]), (points[:0], points)):
        point, box = points_in_boxes(
            some, boxes, boxes + 1, point_group=zero[: len(some)], box_group=zero[: len(boxes)]
        )
        assert len(point) == len(box) == 0


def test_points_on_one_spot_are_found():
    points, zero = torch.full((7, 2), 0.25), torch.zeros(7, dtype=torch.long)
    point, _ = points_in_boxes(
        points, points[:1] - 0.1, points[:1], point_group=zero, box_group=zero[:1]
    )
    assert point.sort().values.tolist() == list(range(7))
