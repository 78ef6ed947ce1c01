"""The LASSO path as compiled code: active-set Newton steps on one factor that is updated, not rebuilt.

At each penalty the active features A carry fixed signs s, and the step solves H d = -(g + lambda s) with the Cholesky
factor of the curvature H of A. Features enter when they violate their optimality condition and leave at the first
change of sign; the factor follows by a new column or by Givens rotations. For squared error H is exact. For the
binomial deviance its weights p(1 - p) are those of an earlier penalty, so that steps contract the error instead of
squaring it (Broyden's correction quickens them), and are taken anew once that has cost more steps than a new factor
would. Gradients are always
recomputed from the coefficients, so rounding in the factor delays a solution but never enters it.

Features with a gradient below a limit are set aside (sequential strong rule), and every one of them is checked before
a solution is accepted. What does not converge is left to the caller. No sum depends on the number of threads.

Arrays: Z (p, n) one feature a row, standardised; y (n,); U (m, m) upper triangular, U'U = H.

References: Tibshirani et al., J R Stat Soc B 74 (2012) 245-266 (strong rules); Kelley, Iterative Methods for Linear and
Nonlinear Equations, SIAM (1995), chapter 7 (Broyden's method from its steps).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from validkit.stats.kernels import compiled as compiled_with

compiled: Any = partial(compiled_with, fastmath={"reassoc", "nsz", "contract"}, error_model="numpy")


INTERCEPT, TOTAL, DEBT = 0, 1, 2
"""places in Work.scalar: the intercept, the sum of the weights, steps lost to old weights (in multiplications)"""


class Options(NamedTuple):
    """Curvature floor; accepted KKT residual, a share of lambda; least share of a feature's curvature that must not
    be explained by the active ones; most steps at one penalty; loss that ends the path."""

    floor: float
    tolerance: float
    dependence: float
    steps: float
    enough: float


class Work(NamedTuple):
    """What is kept from step to step.

    Of the active features, in order of entry: `active`, their numbers; `b`; `sign`; `h`, gradient; `means`, weighted
    by w; `d`, step; `column`, scratch; `U`, factor; `moves` and `sizes`, earlier steps. Of all features: `where`, the
    place among the active or -1; `g`, gradient, and `waiting`, those to enter, by place in the list of strong ones.
    Of the patients: `eta`, `r` = fitted - y, `w`, `wz` scratch.
    """

    active: np.ndarray
    where: np.ndarray
    waiting: np.ndarray
    U: np.ndarray
    g: np.ndarray
    scalar: np.ndarray
    b: np.ndarray
    sign: np.ndarray
    h: np.ndarray
    means: np.ndarray
    d: np.ndarray
    moves: np.ndarray
    sizes: np.ndarray
    column: np.ndarray
    eta: np.ndarray
    r: np.ndarray
    w: np.ndarray
    wz: np.ndarray


@compiled
def _dots(Z, rows, count, v, out):
    """out[q] = Z[rows[q]]'v, four rows at a time."""
    n = v.size
    q = 0
    while q + 4 <= count:
        z0, z1, z2, z3 = Z[rows[q]], Z[rows[q + 1]], Z[rows[q + 2]], Z[rows[q + 3]]
        s0 = s1 = s2 = s3 = 0.0
        for i in range(n):
            s0 += z0[i] * v[i]
            s1 += z1[i] * v[i]
            s2 += z2[i] * v[i]
            s3 += z3[i] * v[i]
        out[q], out[q + 1], out[q + 2], out[q + 3] = s0, s1, s2, s3
        q += 4
    for k in range(q, count):
        z = Z[rows[k]]
        s = 0.0
        for i in range(n):
            s += z[i] * v[i]
        out[k] = s


@compiled
def _combine(Z, rows, count, b, start, out):
    """out = start + sum_q b[q] Z[rows[q]], four rows at a time."""
    n = out.size
    for i in range(n):
        out[i] = start
    q = 0
    while q + 4 <= count:
        z0, z1, z2, z3 = Z[rows[q]], Z[rows[q + 1]], Z[rows[q + 2]], Z[rows[q + 3]]
        b0, b1, b2, b3 = b[q], b[q + 1], b[q + 2], b[q + 3]
        for i in range(n):
            out[i] += b0 * z0[i] + b1 * z1[i] + b2 * z2[i] + b3 * z3[i]
        q += 4
    for k in range(q, count):
        z = Z[rows[k]]
        bk = b[k]
        for i in range(n):
            out[i] += bk * z[i]


@compiled
def _residual(eta, y, logistic, r):
    """Fill r = fitted - y and return its mean."""
    s = 0.0
    for i in range(y.size):
        r[i] = (1.0 / (1.0 + np.exp(-eta[i])) if logistic else eta[i]) - y[i]
        s += r[i]
    return s / y.size


@compiled
def _loss(eta, y, logistic):
    s = 0.0
    for i in range(y.size):
        e = eta[i]
        if logistic:
            s += max(e, 0.0) + np.log1p(np.exp(-abs(e))) - y[i] * e
        else:
            s += 0.5 * (y[i] - e) ** 2
    return s / y.size


@compiled
def _solve_lower(U, m, x):
    """x <- U'^-1 x in place, four rows at a time."""
    k = 0
    while k + 4 <= m:
        r0, r1, r2, r3 = U[k], U[k + 1], U[k + 2], U[k + 3]
        x0 = x[k] / r0[k]
        x1 = (x[k + 1] - r0[k + 1] * x0) / r1[k + 1]
        x2 = (x[k + 2] - r0[k + 2] * x0 - r1[k + 2] * x1) / r2[k + 2]
        x3 = (x[k + 3] - r0[k + 3] * x0 - r1[k + 3] * x1 - r2[k + 3] * x2) / r3[k + 3]
        x[k], x[k + 1], x[k + 2], x[k + 3] = x0, x1, x2, x3
        for c in range(k + 4, m):
            x[c] -= r0[c] * x0 + r1[c] * x1 + r2[c] * x2 + r3[c] * x3
        k += 4
    for row in range(k, m):
        x[row] /= U[row, row]
        for c in range(row + 1, m):
            x[c] -= U[row, c] * x[row]


@compiled
def _solve_upper(U, m, x):
    """x <- U^-1 x in place, four rows at a time."""
    k = m - 4
    while k >= 0:
        r0, r1, r2, r3 = U[k], U[k + 1], U[k + 2], U[k + 3]
        s0, s1, s2, s3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        for c in range(k + 4, m):
            s0 -= r0[c] * x[c]
            s1 -= r1[c] * x[c]
            s2 -= r2[c] * x[c]
            s3 -= r3[c] * x[c]
        x3 = s3 / r3[k + 3]
        x2 = (s2 - r2[k + 3] * x3) / r2[k + 2]
        x1 = (s1 - r1[k + 2] * x2 - r1[k + 3] * x3) / r1[k + 1]
        x[k] = (s0 - r0[k + 1] * x1 - r0[k + 2] * x2 - r0[k + 3] * x3) / r0[k]
        x[k + 1], x[k + 2], x[k + 3] = x1, x2, x3
        k -= 4
    for row in range(k + 3, -1, -1):
        s = x[row]
        for c in range(row + 1, m):
            s -= U[row, c] * x[c]
        x[row] = s / U[row, row]


@compiled
def _leave(U, m, q):
    """Remove column q from the factor of m columns: shift the later ones and restore the triangle by rotations."""
    for row in range(q + 1):
        line = U[row]
        for k in range(q, m - 1):
            line[k] = line[k + 1]
    for i in range(q, m - 1):
        upper, lower = U[i], U[i + 1]
        size = np.sqrt(upper[i] * upper[i] + lower[i + 1] * lower[i + 1])
        c, s = upper[i] / size, lower[i + 1] / size
        for k in range(i, m - 1):
            t, v = upper[k], lower[k + 1]
            upper[k] = c * t + s * v
            lower[k] = c * v - s * t


@compiled
def _enter(Z, j, work, m, dependence):
    """Make feature j the m-th of the factor; False if it is a combination of the active ones to rounding."""
    w, wz, means, column, U, total = work.w, work.wz, work.means, work.column, work.U, work.scalar[TOTAL]
    z, n = Z[j], w.size
    s = square = 0.0
    for i in range(n):
        wz[i] = w[i] * z[i]
        s += wz[i]
        square += wz[i] * z[i]
    mean = s / total
    diagonal = (square - s * mean) / n
    if not diagonal > 0.0:
        return False
    _dots(Z, work.active, m, wz, column)
    for k in range(m):
        column[k] = (column[k] - means[k] * s) / n
    _solve_lower(U, m, column)
    pivot = diagonal
    for k in range(m):
        pivot -= column[k] * column[k]
    if not pivot > dependence * diagonal:
        return False
    for k in range(m):
        U[k, m] = column[k]
    U[m, m] = np.sqrt(pivot)
    work.active[m], means[m] = j, mean
    return True


@compiled
def _refactor(Z, logistic, work, m, options):
    """The factor of the m active features with weights taken at the present fit; False if they are dependent."""
    total = 0.0
    for i in range(work.w.size):
        work.w[i] = 1.0
        if logistic:
            risk = 1.0 / (1.0 + np.exp(-work.eta[i]))
            work.w[i] = max(risk * (1.0 - risk), options.floor)
        total += work.w[i]
    work.scalar[TOTAL] = total
    good = True
    for k in range(m):
        good = good and _enter(Z, work.active[k], work, k, options.dependence)
    return good


@compiled
def _forget(work, k, m):
    """Take the k-th of m active features out of every list and of the factor."""
    work.where[work.active[k]] = -1
    _leave(work.U, m, k)
    for c in range(k, m - 1):
        for values in (work.b, work.sign, work.h, work.means):
            values[c] = values[c + 1]
        work.active[c] = work.active[c + 1]
        work.where[work.active[c]] = c


@compiled
def _share_until_zero(b, d, sign):
    """Share of the step at which the coefficient reaches zero; infinite if it keeps its sign."""
    if (b + d) * sign > 0.0:
        return np.inf
    return abs(b) / abs(d) if d != 0.0 else 0.0


@compiled
def _step(work, lam, m):
    """Move b and the intercept to the minimiser of the quadratic model for fixed signs; returns the active count.

    The step stops where a coefficient reaches zero; that feature leaves, and the rest go on. work.h holds the
    gradient with the intercept eliminated; after a share of the step, the same share of h + lambda s is gone.
    """
    b, d, sign, h, means = work.b, work.d, work.sign, work.h, work.means
    while m > 0:
        for k in range(m):
            d[k] = -(h[k] + lam * sign[k])
        _solve_lower(work.U, m, d)
        _solve_upper(work.U, m, d)
        first = np.inf
        for k in range(m):
            first = min(first, _share_until_zero(b[k], d[k], sign[k]))
        share = min(first, 1.0)
        for k in range(m - 1, -1, -1):
            gone = _share_until_zero(b[k], d[k], sign[k]) <= first < np.inf
            new = 0.0 if gone else b[k] + share * d[k]
            work.scalar[INTERCEPT] -= means[k] * (new - b[k])
            b[k] = new
            h[k] -= share * (h[k] + lam * sign[k])
            if gone:
                _forget(work, k, m)
                m -= 1
        if first == np.inf:
            break
    return m


@compiled
def _correct(work, lam, m, shift, held):
    """Broyden's step on the same active features, after `held` earlier ones; no step and False if a sign would change.

    Like _step, with the factor's inverse corrected by the steps already taken (kept in work.moves, intercept last).
    shift : the intercept's own step
    """
    z, moves, sizes = work.d, work.moves, work.sizes
    for k in range(m):
        z[k] = -(work.h[k] + lam * work.sign[k])
    _solve_lower(work.U, m, z)
    _solve_upper(work.U, m, z)
    z[m] = shift
    for k in range(m):
        z[m] -= work.means[k] * z[k]
    for q in range(held):
        s = 0.0
        for k in range(m + 1):
            s += moves[q, k] * z[k]
        s /= sizes[q]
        if q < held - 1:
            for k in range(m + 1):
                z[k] += s * moves[q + 1, k]
        elif s > 0.9:
            return False
        else:
            for k in range(m + 1):
                z[k] /= 1.0 - s
    for k in range(m):
        if (work.b[k] + z[k]) * work.sign[k] <= 0.0:
            return False
    for k in range(m):
        work.b[k] += z[k]
    work.scalar[INTERCEPT] += z[m]
    _remember(work, m, held)
    return True


@compiled
def _remember(work, m, held):
    size = 1e-300
    for k in range(m + 1):
        work.moves[held, k] = work.d[k]
        size += work.d[k] * work.d[k]
    work.sizes[held] = size


@compiled
def _strongest(g, waiting, entering):
    """Bring those of largest gradient to the front of the features that wait to enter: a quarter, at least two."""
    most = max(2, (entering + 3) // 4)
    if entering <= most:
        return entering
    size = np.empty(entering)
    for e in range(entering):
        size[e] = -abs(g[waiting[e]])
    waiting[:most] = waiting[np.argsort(size)[:most]]
    return most


@compiled
def _settle(Z, y, logistic, lam, rows, work, m, options):
    """Solve for the penalty over the features in `rows`: (active count, mean residual, whether it converged)."""
    n, scalar, where, g, steps = y.size, work.scalar, work.where, work.g, int(options.steps)
    slope, held = 0.0, 0
    for step in range(steps):
        _combine(Z, work.active, m, work.b, scalar[INTERCEPT], work.eta)
        slope = _residual(work.eta, y, logistic, work.r)
        _dots(Z, rows, rows.size, work.r, g)
        worst, entering = abs(slope), 0
        for q in range(rows.size):
            g[q] /= n
            k = where[rows[q]]
            if k >= 0:
                work.h[k] = g[q]
                worst = max(worst, abs(g[q] + lam * work.sign[k]))
            elif abs(g[q]) > lam * (1.0 + options.tolerance):
                work.waiting[entering] = q
                entering += 1
        if worst <= options.tolerance * lam and entering == 0:
            return m, slope, True
        if logistic:
            scalar[DEBT] += 6.0 * m * n if step > 4 else 0.0
            if scalar[DEBT] > 0.5 * m * m * n + m * m * m / 6.0 or step == steps // 2:
                scalar[DEBT], held = 0.0, 0
                if not _refactor(Z, logistic, work, m, options):
                    return m, slope, False
        held = held if entering == 0 else 0
        for e in range(_strongest(g, work.waiting, entering)):
            q = work.waiting[e]
            if m < work.b.size and _enter(Z, rows[q], work, m, options.dependence):
                work.h[m], work.b[m], work.sign[m], where[rows[q]] = g[q], 0.0, -np.sign(g[q]), m
                m += 1
        for k in range(m):
            work.h[k] -= work.means[k] * slope
        shift = -slope * n / scalar[TOTAL]
        if 0 < held < work.sizes.size and _correct(work, lam, m, shift, held):
            held += 1
            continue
        before, held = m, 0
        scalar[INTERCEPT] += shift
        m = _step(work, lam, m)
        if m == before:
            work.d[m] = shift
            for k in range(m):
                work.d[m] -= work.means[k] * work.d[k]
            _remember(work, m, 0)
            held = 1
    return m, slope, False


@compiled
def _violation(full, coef, lam, slope, tolerance, strong):
    """Worst departure from the optimality conditions, and whether a feature set aside is beyond tolerance.

    Such features join the strong ones.
    """
    worst, clean = abs(slope), True
    for j in range(full.size):
        excess = abs(full[j] + lam * np.sign(coef[j])) if coef[j] != 0.0 else abs(full[j]) - lam
        if excess > tolerance * lam and not strong[j]:
            strong[j] = True
            clean = False
        worst = max(worst, excess)
    return worst, clean


@compiled
def _begin(Z, y, logistic, a, start, work, options):
    """Load the starting solution into the workspace: the number of its features, or -1 if they are dependent."""
    m = 0
    for j in np.flatnonzero(start):
        if m == work.b.size:
            return -1
        work.active[m], work.b[m], work.sign[m], work.where[j] = j, start[j], np.sign(start[j]), m
        m += 1
    work.scalar[INTERCEPT] = a
    _combine(Z, work.active, m, work.b, a, work.eta)
    _residual(work.eta, y, logistic, work.r)
    return m if _refactor(Z, logistic, work, m, options) else -1


@compiled
def path(Z, y, logistic, lambdas, first, a, start, options, coefs, intercepts, residuals):
    """Fill the rows `first`, `first` + 1, ... of coefs (L, p), intercepts (L,) and residuals (L,), shares of lambda.

    a, start : solution to begin at, start (p,)
    Returns (position after the last row filled, whether the path ended there because the loss fell below
    options.enough); a position short of L without the latter is a penalty that did not converge.
    """
    p, n = Z.shape
    cap = min(n, p)
    vector, patient, whole = np.zeros((5, cap)), np.zeros((4, n)), np.full(p, -1)
    work = Work(
        np.zeros(cap, np.int64), whole, np.zeros(p, np.int64), np.zeros((cap, cap)), np.zeros(p), np.zeros(3),
        vector[0], vector[1], vector[2], vector[3], np.zeros(cap + 1), np.zeros((10, cap + 1)), np.zeros(10), vector[4],
        patient[0], patient[1], patient[2], patient[3],
    )  # fmt: skip
    m = _begin(Z, y, logistic, a, start, work, options)
    if m < 0:
        return first, False
    everyone, full, strong = np.arange(p), np.empty(p), np.empty(p, np.bool_)
    _dots(Z, everyone, p, work.r, full)
    full /= n
    previous = lambdas[first - 1] if first > 0 else 0.0
    if first == 0:
        for j in range(p):
            previous = max(previous, abs(full[j]))
    for position in range(first, lambdas.size):
        lam = lambdas[position]
        strong[:] = (np.abs(full) >= 2.0 * lam - previous) | (work.where >= 0)
        clean = False
        while not clean:
            m, slope, settled = _settle(Z, y, logistic, lam, np.flatnonzero(strong), work, m, options)
            if not settled:
                return position, False
            coefs[position] = 0.0
            for k in range(m):
                coefs[position, work.active[k]] = work.b[k]
            _dots(Z, everyone, p, work.r, full)
            full /= n
            worst, clean = _violation(full, coefs[position], lam, slope, options.tolerance, strong)
        intercepts[position], residuals[position] = work.scalar[INTERCEPT], worst / lam
        if _loss(work.eta, y, logistic) < options.enough:
            return position + 1, True
        previous = lam
    return lambdas.size, False


@compiled
def standardise(X, patients):
    """Features (p, n) of some patients with mean 0 and standard deviation 1, their centre and scale.

    As validkit.plnm.lasso.standardise, for which a feature a row: one that does not vary becomes zero with scale 1.
    """
    p, n = X.shape[0], patients.size
    Z, centre, scale = np.empty((p, n)), np.empty(p), np.empty(p)
    for j in range(p):
        x, z = X[j], Z[j]
        s = largest = square = 0.0
        for i in range(n):
            z[i] = x[patients[i]]
            s += z[i]
            largest = max(largest, abs(z[i]))
        centre[j] = s / n
        for i in range(n):
            z[i] -= centre[j]
            square += z[i] * z[i]
        scale[j] = np.sqrt(square / n)
        if scale[j] <= 10.0 * 2.220446049250313e-16 * largest:
            scale[j] = 1.0
            z[:] = 0.0
        else:
            for i in range(n):
                z[i] /= scale[j]
    return Z, centre, scale


@compiled
def predict(X, patients, centre, scale, coefs, intercepts):
    """Linear predictors (patients, L) of the solutions in coefs (L, p) for features X (p, n)."""
    eta = np.empty((patients.size, intercepts.size))
    for k in range(intercepts.size):
        eta[:, k] = intercepts[k]
        for j in range(centre.size):
            if coefs[k, j] != 0.0:
                slope = coefs[k, j] / scale[j]
                for i in range(patients.size):
                    eta[i, k] += slope * (X[j, patients[i]] - centre[j])
    return eta
