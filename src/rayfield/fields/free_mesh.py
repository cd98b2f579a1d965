"""A mesh whose vertices and colours are free, and whose faces are not.

Vertices are kept as u = (I + strength L) x, L the uniform Laplacian, and found by solving for x:
a step in u moves neighbours together. Large Steps in Inverse Rendering of Geometry, Nicolet,
Jacobson, Jakob 2021 (ACM TOG 40:6), Sec. 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from rayfield.core.types import Mesh
from rayfield.math.laplacian import Smoother


class FreeMesh(nn.Module):
    """Parameters `latent` [V 3], which vertices follow from, and `shade` [V 3], colour logits.

    With `strength` 0 the latent is the vertices. Colours start grey, or as the mesh has them.
    """

    def __init__(self, mesh: Mesh, *, strength: float) -> None:
        super().__init__()
        self.faces: Tensor
        self.register_buffer("faces", torch.from_numpy(mesh.faces.astype(np.int64)))
        self.edges: Tensor
        self.register_buffer("edges", edges_of(self.faces), persistent=False)
        self._smoother = Smoother(mesh.faces, len(mesh.vertices), strength)
        latent = self._smoother.apply(mesh.vertices)
        self.latent = nn.Parameter(torch.from_numpy(latent).float())
        colors = np.full(mesh.vertices.shape, 0.5)
        if mesh.colors is not None:
            colors = (mesh.colors / 255).clip(0.02, 0.98)
        self.shade = nn.Parameter(torch.logit(torch.from_numpy(colors)).float())

    def vertices(self) -> Float[Tensor, "V 3"]:
        """Where the vertices are; differentiable."""
        return _Solve.apply(self.latent, self._smoother)

    def sample(self, n: int, *, generator: Generator | None) -> Float[Tensor, "N 3"]:
        """Random points of the surface, evenly spread; differentiable."""
        corners = self.vertices()[self.faces]
        a, b, c = corners.detach().unbind(1)
        area = torch.linalg.cross(b - a, c - a).norm(dim=1)
        face = torch.multinomial(area, n, replacement=True, generator=generator)
        u, v = torch.rand(2, n, generator=generator)
        root = u.sqrt()
        share = torch.stack([1 - root, root * (1 - v), root * v], dim=1)
        return (corners[face] * share[..., None]).sum(dim=1)

    def colors(self) -> Float[Tensor, "V 3"]:
        """RGB of the vertices in [0, 1]."""
        return self.shade.sigmoid()

    @torch.no_grad()
    def mesh(self) -> Mesh:
        """The mesh as it is, with colours."""
        colors = (self.colors() * 255).round().to(torch.uint8)
        faces = self.faces.numpy().astype(np.int32)
        return Mesh(self.vertices().double().numpy(), faces, colors=colors.numpy())


class _Solve(torch.autograd.Function):
    """x from u, and because the matrix is symmetric, the gradient by the same solve."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, smoother: Smoother) -> Tensor:
        ctx.smoother = smoother
        return torch.from_numpy(smoother.solve(latent.detach().numpy())).to(latent)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        grad: Tensor = grads[0]
        return torch.from_numpy(ctx.smoother.solve(grad.numpy())).to(grad), None


def edges_of(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "E 2"]:
    """Every edge of a mesh once, the lower vertex first."""
    pairs = torch.cat([faces[:, (0, 1)], faces[:, (1, 2)], faces[:, (2, 0)]])
    return torch.unique(pairs.sort(dim=1).values, dim=0)
