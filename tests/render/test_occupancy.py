"""The occupancy grid: marching against its kernel and against brute force, and its upkeep."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.core.types import Rays
from rayfield.kernels import march as kernels
from rayfield.kernels.layout import Store
from rayfield.kernels.pool import pool
from rayfield.math.rays import contract, ray_box
from rayfield.render.occupancy import EVERY, Bar, OccupancyGrid, refresh

STEP = 1 / 32  # a power of two: multiples of it are exact


def random_rays(n: int, generator: torch.Generator, *, bounded: bool = True) -> Rays:
    origins = torch.randn(n, 3, generator=generator) * (1.5 if bounded else 0.5)
    directions = torch.randn(n, 3, generator=generator) - 0.5 * origins
    directions = torch.nn.functional.normalize(directions)
    near, far = ray_box(origins, directions)
    if not bounded:
        near, far = torch.full((n,), 0.05), torch.full((n,), 1e3)
    return Rays(origins, directions, near, far, torch.full((n,), -1))


def random_grid(
    side: int, share: float, generator: torch.Generator, *, contracted: bool = False
) -> OccupancyGrid:
    grid = OccupancyGrid(side, contracted=contracted)
    grid.density.copy_(2.0 * (torch.rand(side**3, generator=generator) < share))
    if grid.density.any():
        grid.threshold(1.0, 1.0)
    else:
        grid.bits.zero_()
        grid.bricks.zero_()
    return grid


def compiled_march(grid: OccupancyGrid, rays: Rays, step, cone, most, jitter):
    """(count, start, delta, position) of the kernels, packed."""
    n = len(rays.near)
    bundle = kernels.Bundle(
        *(x.contiguous().numpy() for x in (rays.origins, rays.directions, rays.near, rays.far)),
        jitter.numpy(),
    )
    view = grid.compiled(step, cone, most)
    count, begin = np.zeros(n, np.int64), np.empty(n, np.float32)
    nowhere = (begin[:0], begin[:0], np.empty((0, 3), np.float32))
    stop = np.empty_like(begin)
    pool().run(kernels.count_samples, view, bundle, count, begin, stop, nowhere)
    first = np.cumsum(count) - count
    total = int(count.sum())
    out = (
        np.empty(total, np.float32),
        np.empty(total, np.float32),
        np.empty((total, 3), np.float32),
    )
    chunks = np.linspace(0, n, kernels.CHUNKS + 1).astype(np.int64)
    pool().run(kernels.fill_samples, view, bundle, chunks, first, count, begin, out)
    assert all(np.isfinite(x).all() for x in out)  # no row that was counted is left unwritten
    return tuple(torch.from_numpy(x) for x in (count, *out))


def owners(count: torch.Tensor) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(count)), count)


@pytest.mark.parametrize("jittered", [False, True])
@pytest.mark.parametrize("side", [8, 16, 24, 64])
@pytest.mark.parametrize("share", [0.002, 0.1, 0.7])
def test_compiled_march_equals_the_readable_one_in_a_bounded_scene(
    side, share, jittered, generator
):
    grid, rays = random_grid(side, share, generator), random_rays(400, generator)
    jitter = torch.rand(400, generator=generator) if jittered else torch.full((400,), 0.5)
    count, start, delta, position = compiled_march(grid, rays, STEP, 0.0, 1000, jitter)
    twin = grid.march(rays, STEP, 0.0, most=1000, jitter=jitter if jittered else None)
    same = count == twin.count  # a point on a wall, up to rounding, may fall on either side
    assert same.float().mean() > 0.99
    mine, theirs = same[owners(count)], same[twin.ray]
    torch.testing.assert_close(start[mine], twin.start[theirs], rtol=0, atol=2e-6)
    assert (delta == STEP).all()
    middle = (0.5 * (twin.start + twin.end))[theirs, None]
    ray = twin.ray[theirs]
    points = grid.unit(rays.origins[ray] + middle * rays.directions[ray])
    torch.testing.assert_close(position[mine], points, rtol=0, atol=2e-6)


@pytest.mark.parametrize("share", [0.002, 0.1, 0.7])
def test_compiled_march_equals_the_readable_one_in_a_contracted_scene(share, generator):
    grid = random_grid(32, share, generator, contracted=True)
    rays, jitter = random_rays(400, generator, bounded=False), torch.rand(400, generator=generator)
    count, start, delta, position = compiled_march(grid, rays, STEP, 0.02, 1000, jitter)
    twin = grid.march(rays, STEP, 0.02, most=1000, jitter=jitter)
    same = count == twin.count  # a point on a wall, up to rounding, may fall on either side
    mine, theirs = same[owners(count)], same[twin.ray]
    apart = ~torch.isclose(start[mine], twin.start[theirs], rtol=1e-3, atol=1e-4)
    same[owners(count)[mine][apart]] = False  # as many samples, on another side of a wall
    assert same.float().mean() > 0.97
    mine, theirs = same[owners(count)], same[twin.ray]
    length = (twin.end - twin.start)[theirs]
    torch.testing.assert_close(delta[mine], length, rtol=1e-2, atol=1e-5)
    assert (position >= 0).all()
    assert (position <= 1).all()


def uniform_steps(grid: OccupancyGrid, rays: Rays, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Brute force in double precision: [R, steps] whether each step lies in an occupied cell,
    and whether its middle is so close to a wall that rounding decides."""
    t = rays.near.double()[:, None] + STEP * (torch.arange(steps) + 0.5)
    middle = (t + 0.5 * STEP)[..., None]
    points = rays.origins.double()[:, None] + middle * rays.directions.double()[:, None]
    scaled = (points + 1) * (grid.side / 2)
    occupied = grid.occupied()[grid.cells((scaled / grid.side).view(-1, 3))].view(len(t), steps)
    inside = t < rays.far.double()[:, None]
    close = ((scaled - scaled.round()).abs() < 4e-3).any(-1)
    close |= (t - rays.far.double()[:, None]).abs() < 1e-4
    return occupied & inside, close


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("share", [0.0005, 0.005, 0.1, 0.6])
@pytest.mark.parametrize("side", [16, 24, 40, 64])
def test_march_takes_exactly_the_uniform_steps_in_occupied_cells(side, share, compiled, generator):
    """Empty bricks and cells are leapt over by whole steps, and nothing occupied is leapt over."""
    grid, rays = random_grid(side, share, generator), random_rays(300, generator)
    expected, close = uniform_steps(grid, rays, 160)
    if compiled:
        jitter = torch.full_like(rays.near, 0.5)
        count, start, *_ = compiled_march(grid, rays, STEP, 0.0, 1000, jitter)
        ray = owners(count)
    else:
        samples = grid.march(rays, STEP, 0.0, most=1000)
        start, ray = samples.start, samples.ray
    index = ((start - rays.near[ray]) / STEP - 0.5).round().long()
    found = torch.zeros_like(expected)
    found[ray, index] = True
    missed, extra = expected & ~found & ~close, found & ~expected & ~close
    assert missed.sum() == 0
    assert extra.sum() == 0


@pytest.mark.parametrize("cone", [0.0, 0.02])
def test_skipping_in_a_contracted_scene_loses_almost_none_of_the_occupied_length(cone, generator):
    """Walls of contracted cells are curved; they are met to first order only."""
    grid = random_grid(64, 0.02, generator, contracted=True)
    rays = random_rays(200, generator, bounded=False)
    rays = rays._replace(far=torch.full_like(rays.far, 6.0))
    samples = grid.march(rays, STEP / 2, cone, most=1000)
    t = torch.arange(0.05, 6.0, STEP / 8)
    points = rays.origins[:, None] + t[:, None] * rays.directions[:, None]
    inside = grid.occupied()[grid.cells(grid.unit(points.view(-1, 3)))].view(200, -1)
    length = inside.sum() * STEP / 8
    assert (samples.end - samples.start).sum() == pytest.approx(length.item(), rel=0.05)


def test_samples_lie_in_occupied_cells_of_a_contracted_scene(generator):
    grid = random_grid(32, 0.05, generator, contracted=True)
    rays = random_rays(200, generator, bounded=False)
    jitter = torch.rand(200, generator=generator)
    *_, position = compiled_march(grid, rays, STEP, 0.02, 1000, jitter)
    scaled = position * grid.side
    clear = ((scaled - scaled.round()).abs() > 1e-3).all(-1)
    assert len(position) > 100
    assert grid.occupied()[grid.cells(position)][clear].all()


def test_samples_grow_with_distance_when_stepping_by_cone(generator):
    grid = random_grid(16, 1.1, generator, contracted=True)
    rays = random_rays(50, generator, bounded=False)
    jitter = torch.full((50,), 0.5)
    count, start, delta, _ = compiled_march(grid, rays, STEP, 0.05, 400, jitter)
    torch.testing.assert_close(delta, (0.05 * start).clamp_min(STEP))
    ray = owners(count)
    follows = ray[1:] == ray[:-1]
    torch.testing.assert_close((start + delta)[:-1][follows], start[1:][follows])


@pytest.mark.parametrize("contracted", [False, True])
def test_filling_writes_every_sample_that_was_counted(contracted, generator):
    """Both passes take the same steps, to the last bit: asserted in `compiled_march`."""
    grid = random_grid(64, 0.1, generator, contracted=contracted)
    rays = random_rays(20000, generator, bounded=not contracted)
    jitter = torch.rand(20000, generator=generator)
    count, *_ = compiled_march(grid, rays, 0.013, 0.011 * contracted, 1000, jitter)
    assert count.sum() > 20000


@pytest.mark.parametrize("most", [1, 5, 1000])
def test_most_keeps_the_first_samples(most, generator):
    grid, rays = random_grid(16, 0.5, generator), random_rays(100, generator)
    everything = grid.march(rays, STEP, 0.0, most=10**6)
    rank = torch.arange(len(everything.ray)) - everything.first[everything.ray]
    jitter = torch.full((100,), 0.5)
    count, start, *_ = compiled_march(grid, rays, STEP, 0.0, most, jitter)
    assert torch.equal(count, everything.count.clamp_max(most))
    torch.testing.assert_close(start, everything.start[rank < most], rtol=0, atol=2e-6)
    twin = grid.march(rays, STEP, 0.0, most=most)
    assert torch.equal(twin.start, everything.start[rank < most])


def test_a_new_grid_is_full_and_rays_step_through_all_of_it(generator):
    grid, rays = OccupancyGrid(16, contracted=False), random_rays(200, generator)
    assert grid.occupied().all()
    samples = grid.march(rays, STEP, 0.0, most=1000)
    steps = ((rays.far.double() - rays.near - 0.5 * STEP) / STEP).ceil().clamp_min(0).long()
    assert (samples.count - steps).abs().max() <= 1  # the last step, up to rounding
    assert (samples.count == steps).float().mean() > 0.98
    count, *_ = compiled_march(grid, rays, STEP, 0.0, 1000, torch.full((200,), 0.5))
    assert torch.equal(count, samples.count)


@pytest.mark.parametrize("contracted", [False, True])
def test_an_empty_grid_gives_no_samples(contracted, generator):
    grid = random_grid(16, 0.0, generator, contracted=contracted)
    rays = random_rays(100, generator, bounded=not contracted)
    count, *_ = compiled_march(grid, rays, STEP, 0.0, 1000, torch.full((100,), 0.5))
    assert count.sum() == 0
    assert len(grid.march(rays, STEP, 0.0, most=1000).start) == 0


def test_rays_that_miss_get_no_samples():
    grid = OccupancyGrid(16, contracted=False)
    origins = torch.tensor([[3.0, 3, 3], [0, 0, 5], [0, 0, 0]])
    directions = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 1]])
    near, far = ray_box(origins, directions)
    rays = Rays(origins, directions, near, far, torch.full((3,), -1))
    count, *_ = compiled_march(grid, rays, STEP, 0.0, 1000, torch.full((3,), 0.5))
    assert count.tolist() == [0, 0, 32]
    assert grid.march(rays, STEP, 0.0, most=1000).count.tolist() == [0, 0, 32]


@pytest.mark.parametrize("part", [0.2, 0.49, 0.51, 0.99])
def test_a_ray_shorter_than_its_first_offset_gets_no_sample(part):
    """Samples start half a step behind the near end, and before the far one."""
    grid = OccupancyGrid(16, contracted=False)
    near = torch.tensor([1.0])
    rays = Rays(torch.zeros(1, 3), torch.eye(3)[:1], near, near + part * STEP, torch.full((1,), -1))
    count, *_ = compiled_march(grid, rays, STEP, 0.0, 1000, torch.full((1,), 0.5))
    assert count.tolist() == [int(part > 0.5)]
    assert grid.march(rays, STEP, 0.0, most=1000).count.tolist() == [int(part > 0.5)]


@pytest.mark.parametrize("side", [16, 24, 32, 40])
def test_a_lone_cell_behind_empty_bricks_is_met(side):
    grid, cell = OccupancyGrid(side, contracted=False), side * 2 // 3
    row = side // 2
    grid.density[cell + side * (row + side * row)] = 2.0
    grid.threshold(1.0, 1.0)
    aside = 0.5 * 2 / side  # the rows' middle
    origins, direction = torch.tensor([[-3.0, aside, aside]]), torch.tensor([[1.0, 0, 0]])
    near, far = ray_box(origins, direction)
    rays = Rays(origins, direction, near, far, torch.tensor([-1]))
    count, *_ = compiled_march(grid, rays, STEP, 0.0, 1000, torch.zeros(1))
    assert abs(count.item() - 2 / side / STEP) < 1
    assert abs(grid.march(rays, STEP, 0.0, most=1000).count.item() - 2 / side / STEP) < 1


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_ray_along_an_axis_meets_the_cells_of_its_row(axis, sign):
    grid = OccupancyGrid(16, contracted=False)
    cell = torch.tensor([3, 3, 3])
    cell[axis] = 11
    grid.density[int(cell[0] + 16 * (cell[1] + 16 * cell[2]))] = 2.0
    grid.threshold(1.0, 1.0)
    centre = (cell + 0.5) / 8 - 1
    direction = torch.zeros(3)
    direction[axis] = sign
    origins = (centre - 4 * direction)[None]
    near, far = ray_box(origins, direction[None])
    rays = Rays(origins, direction[None], near, far, torch.tensor([-1]))
    jitter = torch.zeros(1)
    count, start, *_ = compiled_march(grid, rays, STEP, 0.0, 1000, jitter)
    middle = [4 + STEP * k for k in (-1.5, -0.5, 0.5, 1.5)]  # a cell is four steps wide
    assert count.tolist() == [4]
    assert (start + STEP / 2).tolist() == middle
    assert torch.equal(start, grid.march(rays, STEP, 0.0, most=1000, jitter=jitter).start)


def ball(unit: torch.Tensor) -> torch.Tensor:
    return 50 * torch.relu(0.3 - (unit - 0.5).norm(dim=-1))


def centres(side: int) -> torch.Tensor:
    line = (torch.arange(side) + 0.5) / side
    return torch.cartesian_prod(line, line, line).flip(-1)  # x fastest


@pytest.mark.parametrize("side", [8, 16, 24, 32])
@pytest.mark.parametrize("bar", [0.01, 1e9])
def test_threshold_marks_the_cells_and_bricks_above_the_bar(side, bar, generator):
    grid = OccupancyGrid(side, contracted=False)
    grid.density.copy_(torch.rand(side**3, generator=generator) ** 20)
    length = 0.5
    grid.threshold(length, bar)
    level = min(grid.density.mean().item(), bar / length)
    keep = grid.density > level
    assert 0 < keep.sum() < side**3
    assert torch.equal(grid.occupied(), keep)
    n = side // 8
    x, y, z = (c // 8 for c in torch.unravel_index(torch.arange(side**3), (side,) * 3)[::-1])
    bricks = torch.zeros(n**3, dtype=torch.bool)
    bricks[(x + n * (y + n * z))[keep]] = True
    assert torch.equal(grid.bricks.bool(), bricks)


def test_threshold_forgets_what_was_marked_before(generator):
    grid = random_grid(16, 0.9, generator)
    grid.density.zero_()
    grid.density[5] = 1.0
    grid.threshold(1.0, 0.5)
    assert grid.occupied().nonzero().flatten().tolist() == [5]
    assert grid.bricks.nonzero().flatten().tolist() == [0]


def test_update_from_centres_gives_the_function_at_the_centres():
    grid = OccupancyGrid(16, contracted=False)
    grid.update(ball, torch.arange(16**3), decay=0.5, generator=None)
    torch.testing.assert_close(grid.density, ball(centres(16)))
    grid.threshold(1.0, 0.5)
    assert grid.occupied()[grid.density > 0.5].all()  # the bar is never above `most / length`
    thick = ball(centres(16)) > 0.5
    assert grid.occupied()[thick].all()
    far = (centres(16) - 0.5).norm(dim=-1) > 0.3
    assert not grid.occupied()[far].any()


def test_update_decays_and_raises_the_cells_it_is_given_alone():
    grid = OccupancyGrid(8, contracted=False)
    grid.density.fill_(4.0)
    cells = torch.tensor([3, 100, 511])
    value = torch.tensor([1.0, 7.0, 2.0])
    grid.update(lambda unit: value, cells, decay=0.5, generator=None)
    assert grid.density[cells].tolist() == [2.0, 7.0, 2.0]
    others = torch.ones(512, dtype=torch.bool)
    others[cells] = False
    assert (grid.density[others] == 4.0).all()


def test_update_samples_each_cell_inside_of_it_and_by_the_generator(generator):
    grid, cells, seen = OccupancyGrid(16, contracted=True), torch.arange(0, 16**3, 7), []

    def density(unit: torch.Tensor) -> torch.Tensor:
        seen.append(unit)
        return torch.ones(len(unit))

    grid.update(density, cells, decay=0.5, generator=generator)
    grid.update(density, cells, decay=0.5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(grid.cells(seen[0]), cells)
    assert torch.equal(seen[0], seen[1])
    assert (seen[0] - (seen[0] * 16).floor() / 16).std() > 0.01


@pytest.mark.parametrize("times", [2, 100])
def test_a_cell_named_several_times_keeps_the_largest_of_its_values(times):
    grid, n = OccupancyGrid(32, contracted=False), 700
    cells = torch.arange(n).repeat(times)
    value = torch.rand(len(cells), generator=torch.Generator().manual_seed(0))
    grid.update(lambda unit: value, cells, decay=0.5, generator=None)
    assert torch.equal(grid.density[:n], value.view(times, n).amax(0))


def test_observed_densities_raise_cells_and_never_lower_them(generator):
    grid = OccupancyGrid(16, contracted=False)
    grid.density.fill_(0.5)
    unit = torch.cat([torch.rand(5000, 3, generator=generator), torch.eye(3)])
    sigma = torch.rand(len(unit), generator=generator)
    photo = torch.randint(40, (len(unit),), generator=generator)
    grid.observe(unit, sigma, photo)
    density, seen = torch.full((16**3,), 0.5), [0] * 16**3
    for row, cell in enumerate(grid.cells(unit).tolist()):
        density[cell] = max(density[cell].item(), sigma[row].item())
        seen[cell] |= 1 << (int(photo[row]) % 8)
    assert torch.equal(grid.density, density)
    assert grid.photos.tolist() == seen


def test_compiled_observation_equals_the_readable_one(generator):
    """Two chunks of rows, of which some at the end of each are not kept."""
    grids = [OccupancyGrid(16, contracted=False) for _ in range(2)]
    unit = torch.rand(5000, 3, generator=generator)
    sigma, photo = torch.rand(5000, generator=generator), torch.arange(300)
    ray = torch.randint(300, (5000,), generator=generator, dtype=torch.int32)
    empty = np.empty(0, np.float32)
    fields = {"position": unit.numpy(), "sigma": sigma.numpy(), "ray": ray.numpy()}
    store = Store(**{name: fields.get(name, empty) for name in Store._fields})
    begin, kept = np.array([0, 3000]), np.array([2900, 1900])
    kernels.observe(grids[0].seen(), photo.numpy(), begin, kept, store)
    rows = torch.cat([torch.arange(2900), torch.arange(3000, 4900)])
    grids[1].observe(unit[rows], sigma[rows], photo[ray[rows].long()])
    assert torch.equal(grids[0].density, grids[1].density)
    assert torch.equal(grids[0].photos, grids[1].photos)
    assert grids[0].photos.max() > 0


@pytest.mark.parametrize("photos", [0, 1, 3, 8])
def test_cells_that_too_few_photos_saw_are_empty(photos, generator):
    grid = OccupancyGrid(16, contracted=True)
    grid.density.copy_(torch.rand(16**3, generator=generator))
    grid.photos.copy_(torch.randint(256, (16**3,), generator=generator))
    grid.threshold(1.0, 0.5, photos=photos)
    bits = (grid.photos[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1
    level = min(grid.density.mean().item(), 0.5)
    assert torch.equal(grid.occupied(), (grid.density > level) & (bits.sum(-1) >= photos))


def test_faces_of_the_cube_belong_to_the_outermost_cells():
    grid = OccupancyGrid(8, contracted=False)
    unit = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    assert grid.cells(unit).tolist() == [0, 7, 56, 448, 511]


@pytest.mark.parametrize("contracted", [False, True])
def test_unit_cube_holds_the_scene(contracted, generator):
    grid = OccupancyGrid(8, contracted=contracted)
    points = torch.rand(100, 3, generator=generator) * 2 - 1
    if contracted:
        points = points * 10 ** (4 * torch.rand(100, 1, generator=generator))
        torch.testing.assert_close(grid.unit(points), contract(points) / 4 + 0.5)
    else:
        torch.testing.assert_close(grid.unit(points), points / 2 + 0.5)
    assert (grid.unit(points) >= 0).all()
    assert (grid.unit(points) <= 1).all()


def test_refresh_looks_everywhere_once_and_then_at_some_cells_now_and_then(generator):
    grid, looks = OccupancyGrid(16, contracted=False), {}

    def density(unit: torch.Tensor) -> torch.Tensor:
        looks[step] = grid.cells(unit)
        return ball(unit)

    for step in range(3 * EVERY + 1):
        refresh(
            grid, density, step, generator=generator, first_look=5, decay=0.9, bar=Bar(1.0, 0.5)
        )
    assert sorted(looks) == sorted({5, EVERY, 2 * EVERY, 3 * EVERY})
    assert torch.equal(looks[5], torch.arange(16**3))
    inside = (centres(16) - 0.5).norm(dim=-1) < 0.3 + 0.9 / 16  # up to half a cell's diagonal
    some = looks[2 * EVERY]
    assert len(some) == 2 * 16**3 // 64
    assert inside[some[16**3 // 64 :]].all()  # the second half is drawn from occupied cells
    assert not inside[grid.occupied()].logical_not().any()


def test_refresh_goes_on_where_all_cells_are_empty(generator):
    grid = OccupancyGrid(16, contracted=False)
    for step in (5, EVERY, 2 * EVERY):
        refresh(
            grid, lambda unit: torch.zeros(len(unit)), step,
            generator=generator, first_look=5, decay=0.9, bar=Bar(1.0, 0.5),
        )  # fmt: skip
    assert not grid.occupied().any()
    refresh(grid, ball, 5, generator=generator, first_look=5, decay=0.9, bar=Bar(1.0, 0.5))
    assert grid.occupied().any()


def test_sides_that_bricks_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple of"):
        OccupancyGrid(12, contracted=False)


def test_state_is_restored_with_the_module(generator):
    grid, other = random_grid(16, 0.3, generator), OccupancyGrid(16, contracted=False)
    other.load_state_dict(grid.state_dict())
    assert torch.equal(other.occupied(), grid.occupied())
    assert torch.equal(other.bricks, grid.bricks)
    assert torch.equal(other.density, grid.density)
