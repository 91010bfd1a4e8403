"""The draws of existing imputations once more: what each missing value was drawn from, and how others follow it.

Given a posterior draw and the random effects that were drawn with it, the missing coordinates m of a row are normal given the
observed ones o, N(mu_m + Gamma (y_o - mu_o), V), V = Omega_mm - Gamma Omega_om. If coordinate a of them is moved by d, the
others, drawn from their distribution given y_o and the new y_a, with the same random numbers, move by

    d V_ba / V_aa,

whatever moved y_a: their residuals given y_a do not depend on it (a delta with the conditional scope; Tompsett et al. 2018,
Statistics in Medicine 37, 2338-2353, write it as the conditional sensitivity parameter).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jmimpute.imputation.completer import completer_of
from jmimpute.imputation.impute import Columns
from jmimpute.imputation.parameters import ParameterDraw, cutpoints_of, parameters_at
from jmimpute.specification.families import Variable
from jmimpute.specification.specify import Specification


@dataclass(frozen=True)
class Drawn:
    """Draws of a response that is to be adjusted, on the standardised scale; arrays of shape (m, n_missing).

    Attributes
    ----------
    variable : Variable
    value : ndarray
        As they were imputed; the latent normal of a categorical response.
    mean, sd : ndarray
        Of the distribution given the observed responses of the row that they were drawn from.
    residual_sd : ndarray
        Of level 1, given no other response.
    cutpoints : list of ndarray, length m
        Free ones.
    followers : tuple of Follower
    """

    variable: Variable
    value: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    residual_sd: np.ndarray
    cutpoints: list[np.ndarray]
    followers: tuple["Follower", ...]


@dataclass(frozen=True)
class Follower:
    """Another response that is missing in some of the same rows; its coordinates are on the standardised scale.

    Attributes
    ----------
    variable : Variable
    place : ndarray of int, shape (n,)
        Which of its missing cells these are.
    source : ndarray of int, shape (n,)
        Which of the missing cells of the adjusted response stands in the same row.
    value : ndarray, shape (m, n, width)
        Coordinates as they were imputed.
    slope : ndarray, shape (m, n, width)
        By how much each moves if that of the adjusted response moves by 1.
    cutpoints : list of ndarray, length m
    """

    variable: Variable
    place: np.ndarray
    source: np.ndarray
    value: np.ndarray
    slope: np.ndarray
    cutpoints: list[np.ndarray]


def replay(fit: Any, name: str, m: int) -> Drawn:
    """Draw what the first m imputations of a fit were made of.

    Parameters
    ----------
    fit : Fit
    name : str
        An incomplete response of rows, of one coordinate.
    m : int

    Returns
    -------
    Drawn
        Cells in the order of `Imputations.rows`.
    """
    specification, (pairs, seeds) = fit.model.specification, fit._plan(m)
    completer, columns = completer_of(specification, fit.model.statistics, fit._latents), Columns(specification)
    row = np.nonzero(np.isnan(specification.y))[0]
    variable = next(v for v in columns.level_1 if v.name == name)
    own = _Rows(specification, variable.first, row[columns.places[name][:, 0]])
    followers = [_Follower(other, columns, row, own) for other in columns.level_1 if other is not variable]
    parts, cutpoints = [], []
    for k, ((chain, draw), seed) in enumerate(zip(pairs, seeds, strict=True)):
        rng = np.random.default_rng(seed)
        psi = completer.draw_psi(fit.posterior, chain, draw, fit._latents, k, rng)[:, : specification.layout.n_effects].copy()
        cells, _ = completer.draw_cells(rng)
        mean, sd, residual_sd, slope = own.at(parameters_at(fit.posterior, specification, fit._latents, k, chain, draw), psi)
        parts.append((cells[columns.places[name][:, 0]], mean, sd, residual_sd))
        cutpoints.append(cutpoints_of(fit.posterior, variable, chain, draw))
        for follower in followers:
            follower.add(cells, slope, cutpoints_of(fit.posterior, follower.variable, chain, draw))
    value, mean, sd, residual_sd = (np.array(part) for part in zip(*parts, strict=True))
    found = tuple(follower.found() for follower in followers if follower.place.size)
    return Drawn(variable, value, mean, sd, residual_sd, cutpoints, found)


class _Rows:
    """The rows in which a coordinate is missing, and its distribution given what is observed of them."""

    def __init__(self, specification: Specification, coordinate: int, rows: np.ndarray) -> None:
        self.specification, self.coordinate, self.rows = specification, coordinate, rows
        self.pattern, self.cluster = specification.patterns.codes[rows], specification.clusters.codes[rows]
        self.x, self.z = specification.x[rows], specification.z[rows]

    def at(self, parameters: ParameterDraw, effects: np.ndarray) -> tuple[np.ndarray, ...]:
        """Mean, SD and SD given no other response, each of shape (n,), and slopes of all coordinates, shape (n, p)."""
        layout, a = self.specification.layout, self.coordinate
        fitted = self.x @ parameters.beta
        for e, (response, column) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
            fitted[:, response] += self.z[:, column] * effects[self.cluster, e]
        residual = parameters.y[self.rows] - fitted
        omega = parameters.omega_e
        which = self.cluster if len(omega) > 1 else np.zeros_like(self.cluster)
        mean, sd, slope = fitted[:, a].copy(), np.empty(len(fitted)), np.zeros_like(fitted)
        for g in np.unique(self.pattern):
            own, o = self.pattern == g, self.specification.patterns.observed[g]
            m = np.flatnonzero(~o)
            gain, covariance = _conditional(omega, o, m)
            here, place = which[own], np.flatnonzero(m == a)[0]
            mean[own] += np.einsum("io,io->i", gain[here, place], residual[own][:, o])
            variance = covariance[here, place, place]
            sd[own] = np.sqrt(variance)
            slope[np.ix_(own, m)] = covariance[here, :, place] / variance[:, None]
        return mean, sd, np.sqrt(omega[which, a, a]), slope


def _conditional(omega: np.ndarray, observed: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gamma and V, shapes (K, n_missing, n_observed) and (K, n_missing, n_missing)."""
    o = np.flatnonzero(observed)
    cross = omega[:, o[:, None], missing]
    gain = np.swapaxes(np.linalg.solve(omega[:, o[:, None], o], cross), 1, 2)
    return gain, omega[:, missing[:, None], missing] - gain @ cross


class _Follower:
    """Collects a `Follower` over imputations."""

    def __init__(self, variable: Variable, columns: Columns, row: np.ndarray, own: _Rows) -> None:
        self.variable, cells = variable, columns.places[variable.name]
        source = np.full(len(columns.specification.y), -1)
        source[own.rows] = np.arange(len(own.rows))
        source = source[row[cells[:, 0]]]
        self.place = np.flatnonzero(source >= 0)
        self.source, self.cells = source[self.place], cells[self.place]
        self.values: list[np.ndarray] = []
        self.slopes: list[np.ndarray] = []
        self.cutpoints: list[np.ndarray] = []

    def add(self, cells: np.ndarray, slope: np.ndarray, cutpoints: np.ndarray) -> None:
        """Add an imputation."""
        first = self.variable.first
        self.values.append(cells[self.cells])
        self.slopes.append(slope[self.source, first : first + self.variable.width])
        self.cutpoints.append(cutpoints)

    def found(self) -> Follower:
        """What was collected."""
        return Follower(self.variable, self.place, self.source, np.array(self.values), np.array(self.slopes), self.cutpoints)
