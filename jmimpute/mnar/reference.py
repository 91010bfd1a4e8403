"""Reference-based imputation of repeated responses: who drops out goes on as the reference arm would.

Carpenter, Roger and Kenward (2013, Journal of Biopharmaceutical Statistics 23, 1352-1371). The responses of a row are the
visits. Under missing at random the missing visits m of a row are normal with mean mu_m + Gamma (y_o - mu_o), where mu are the
means of its own arm. A strategy puts other means mu + d in their place, with d from the coefficients of the same posterior
draw; covariances are common to the arms. The draw that was made then moves by

    d_m - Gamma d_o,

the same random numbers being used. With t the last visit that is observed and c_v the reference mean less the own mean of v:

    J2R  (jump to reference)          d_v = c_v after t, 0 before
    CR   (copy reference)             d_v = c_v at all visits
    CIR  (copy increments)            d_v = c_v - c_t after t, 0 before; as J2R if no visit was observed
    LMCF (last mean carried forward)  d_v = own mean of t less own mean of v after t, 0 before
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jmimpute import names
from jmimpute.errors import ImputationError, options, some
from jmimpute.specification.design import design, design_at
from jmimpute.specification.families import GAUSSIAN
from jmimpute.specification.formula import parse
from jmimpute.specification.specify import Specification

J2R, CR, CIR, LMCF = "J2R", "CR", "CIR", "LMCF"


def reference_based(imputations: Any, strategy: str, *, visits: Sequence[str], arm: str, reference: Any) -> Any:
    """Impute the visits after drop-out as if the reference arm had been joined in some way.

    Parameters
    ----------
    imputations : Imputations
        As `fit.impute(m)` gave them, of a model in which the visits are continuous responses and the arm a covariate.
    strategy : {"J2R", "CR", "CIR", "LMCF"}
        Jump to reference, copy reference, copy increments in reference, or last mean carried forward.
    visits : sequence of str
        Columns of the visits, in order.
    arm : str
        Column of the arms, complete.
    reference
        The reference arm.

    Returns
    -------
    Imputations
        Rows of other arms whose last visits are missing have new values at their missing visits. Visits that are missing before
        an observed one are missing at random, as are rows of the reference arm and other variables. Where a visit before the
        last observed one is missing, "CR" moves it too, since it copies the whole profile.

    Raises
    ------
    ImputationError
        If the fit is not at hand, a visit is no continuous response, the arm is no covariate of each visit or has random
        effects, or for "LMCF" a row has no observed visit.

    Notes
    -----
    Random effects of clusters are those that were drawn. Means differ between arms by the coefficients, so that covariates of
    the rows, and their interactions with the arm, are taken into account. Variances are those of Rubin's rules (information
    anchored; Cro, Carpenter and Kenward 2019, Journal of the Royal Statistical Society A 182, 623-645).
    """
    fit, visits = imputations._fit, list(visits)
    _check(imputations, strategy, visits, arm, reference)
    frame = imputations.original
    after = _Dropouts(frame, visits, arm, reference, strategy)
    moves = _moves(fit, imputations.m, after)
    cells = imputations._cells
    values = dict(cells.values)
    for v, name in enumerate(visits):
        if name in cells.rows:
            place = np.full(len(frame), -1)
            place[cells.rows[name]] = np.arange(len(cells.rows[name]))
            own = place[after.rows] >= 0
            changed = cells.values[name].copy()
            changed[:, place[after.rows[own]]] += moves[:, own, v]
            values[name] = changed
    said = {"strategy": strategy, "visits": visits, "arm": arm, "reference": str(reference), "rows": len(after.rows)}
    return imputations._changed(imputations._table, type(cells)(cells.rows, values, cells.levels), reference_based=said)


class _Dropouts:
    """Rows of other arms than the reference whose last visits are missing."""

    def __init__(self, frame: pd.DataFrame, visits: list[str], arm: str, reference: Any, strategy: str) -> None:
        observed = frame[visits].notna().to_numpy()
        last = np.where(observed.any(axis=1), observed.shape[1] - 1 - observed[:, ::-1].argmax(axis=1), -1)
        left = (frame[arm] != reference).to_numpy(dtype=bool) & (last < len(visits) - 1)
        self.rows, self.last = np.flatnonzero(left), last[left]
        self.visits, self.strategy, self.frame = visits, strategy, frame
        self.as_reference = frame.assign(**{arm: pd.Series(reference, frame.index).astype(frame[arm].dtype)})
        none = self.rows[self.last < 0]
        if strategy == LMCF and none.size:
            raise ImputationError(
                f"{LMCF} carries the mean of the last observed visit forward, but {none.size} row(s) have none, counted from "
                f"0: {some(none)}. Use another strategy, or leave these rows out."
            )

    def designs(self, specification: Specification) -> list[tuple[list[int], np.ndarray, np.ndarray, list[str]]]:
        """For each formula: positions of its visits, X, X in the reference arm, and names of the columns."""
        found = []
        for formula in specification.formulas:
            own = [v for v, name in enumerate(self.visits) if name in formula.responses]
            if own:
                built = design(formula.common, self.frame)
                changed = design_at(formula.common, self.frame, self.as_reference)
                found.append((own, built.matrix[self.rows], changed[self.rows], list(built.names)))
        return found

    def steps(self, own: np.ndarray, contrast: np.ndarray) -> np.ndarray:
        """Steps d of the strategy from own means and c, all of shape (n_rows, n_visits)."""
        visit, last = np.arange(len(self.visits)), self.last[:, None]
        if self.strategy == CR:
            return contrast
        at_last = np.maximum(last, 0)
        if self.strategy == J2R:
            step = contrast
        elif self.strategy == CIR:
            step = contrast - np.where(last >= 0, np.take_along_axis(contrast, at_last, axis=1), 0.0)
        else:
            step = np.take_along_axis(own, at_last, axis=1) - own
        return np.where(visit > last, step, 0.0)


def _moves(fit: Any, m: int, after: _Dropouts) -> np.ndarray:
    """By how much each visit of each such row moves, shape (m, n_rows, n_visits); 0 where it is observed."""
    specification, posterior = fit.model.specification, fit.posterior
    place = np.empty(len(specification.order), dtype=np.int64)
    place[specification.order] = np.arange(len(specification.order))
    canonical = place[after.rows]
    pattern, cluster = specification.patterns.codes[canonical], specification.clusters.codes[canonical]
    responses = list(specification.layout.responses)
    coordinates, designs = [responses.index(name) for name in after.visits], after.designs(specification)
    moves = np.zeros((m, len(after.rows), len(after.visits)))
    for k, (chain, draw) in enumerate(fit._plan(m)[0]):
        at = {names.CHAIN: chain, names.DRAW: draw}
        beta, omega = posterior[names.BETA].isel(at), posterior[names.OMEGA_E].isel(at).to_numpy()
        omega = omega.reshape(-1, *omega.shape[-2:])
        own, contrast = np.zeros((2, len(after.rows), len(after.visits)))
        for visits, matrix, changed, columns in designs:
            chosen = {names.RESPONSE: [after.visits[v] for v in visits], names.COVARIATE: columns}
            coefficients = beta.sel(chosen).transpose(names.COVARIATE, names.RESPONSE).to_numpy()
            own[:, visits], contrast[:, visits] = matrix @ coefficients, (changed - matrix) @ coefficients
        steps = np.zeros((len(after.rows), len(responses)))
        steps[:, coordinates] = after.steps(own, contrast)
        which = cluster if len(omega) > 1 else np.zeros_like(cluster)
        for g in np.unique(pattern):
            rows, o = pattern == g, np.flatnonzero(specification.patterns.observed[g])
            missing = [v for v, a in enumerate(coordinates) if a not in o]
            target = [coordinates[v] for v in missing]
            gain = np.linalg.solve(omega[:, o[:, None], o], omega[:, o[:, None], target])[which[rows]]
            moves[k][np.ix_(rows, missing)] = steps[rows][:, target] - np.einsum("iom,io->im", gain, steps[rows][:, o])
    return moves


def _check(imputations: Any, strategy: str, visits: list[str], arm: str, reference: Any) -> None:
    if strategy not in (J2R, CR, CIR, LMCF):
        raise ImputationError(f"strategy must be {options((J2R, CR, CIR, LMCF))}, not {strategy!r}.")
    fit, frame = imputations._fit, imputations.original
    if fit is None:
        raise ImputationError(
            "Reference-based imputation needs the fit: give what `fit.impute(m)` returned, before it is saved, filtered or "
            "changed in another way (load_fit(path).impute(m) makes it again)."
        )
    specification = fit.model.specification
    if specification.selections:
        raise ImputationError(
            "Reference-based imputation starts from values that are missing at random; this fit has a selection model."
        )
    continuous = [variable.name for variable in specification.layout.variables if variable.family == GAUSSIAN]
    foreign = [name for name in visits if name not in continuous]
    if foreign or len(set(visits)) < max(2, len(visits)):
        raise ImputationError(
            f"visits must be two or more continuous responses of the model, in order, each once; not {visits!r}. There are "
            f"{options(continuous)}."
        )
    if arm not in frame or frame[arm].isna().any() or not (frame[arm] == reference).any():
        raise ImputationError(f"{arm!r} must be a complete column that has the reference arm {reference!r}.")
    for formula in specification.formulas:
        own = [name for name in visits if name in formula.responses]
        if own and arm not in formula.columns:
            raise ImputationError(
                f"The arm {arm!r} is no covariate of {own[0]!r} in {formula.text!r}: its means do not differ by arm."
            )
        if own and formula.random and arm in _columns(formula.random, own[0], frame):
            raise ImputationError(f"{arm!r} has random effects in {formula.text!r}, which no reference mean has.")


def _columns(side: str, response: str, frame: pd.DataFrame) -> tuple[str, ...]:
    """Columns that one side of a formula names."""
    return parse(f"`{response}` ~ {side}", [str(column) for column in frame.columns]).columns
