"""Slow, obvious values of the bounds on single directions (A, B), straight from the definitions."""

from __future__ import annotations

from mpmath import mp, mpf

from .quadrature import TINY, angle_of, binomial, first_whole, integral, least, moment, share

LARGE = 10**15  # stands for infinity where a limit is meant


def one_subset(d: int, k: int, eps: float, signed: bool) -> mpf:
    ray = k == 1 and not signed and eps < 1  # at eps = 1 the zero code covers everything
    return share(d, k, mp.asin(mpf(eps))) / (2 if ray else 1)


def cap_measure(d: int, angle: float) -> mpf:
    return share(d, 1, mpf(angle)) / 2


def near_subspace_measure(d: int, k: int, eps: float) -> mpf:
    return share(d, k, mp.asin(mpf(eps)))


def log_cap_measure(d: int, angle: float) -> mpf:
    return mp.log(cap_measure(d, angle))


def log_near_subspace_measure(d: int, k: int, eps: float) -> mpf:
    return mp.log(near_subspace_measure(d, k, eps))


def log_coverage_bound(log_atoms: float, d: int, k: int, eps: float, *, signed: bool = True) -> mpf:
    return mp.log(min(mpf(1), binomial(mp.exp(log_atoms), k) * one_subset(d, k, eps, signed)))


def coverage_bound(atoms: int, d: int, k: int, eps: float, *, signed: bool = True) -> mpf:
    return min(mpf(1), binomial(mpf(atoms), k) * one_subset(d, k, eps, signed))


def log_atom_floor(d: int, k: int, eps: float, *, delta: float = 0.0, signed: bool = True) -> mpf:
    needed = (1 - mpf(delta)) / one_subset(d, k, eps, signed)
    if needed < 1 + mpf(10) ** -40:  # N exceeds k by nothing that 50 digits show
        return mp.log(k)

    def gap(log_n: mpf) -> mpf:
        return mp.log(binomial(mp.exp(log_n), k) / needed)

    high = mp.log(k) + mp.log(needed) / k  # C(N, k) >= (N/k)^k
    return mp.findroot(gap, (mp.log(k), high), solver="ridder", tol=mpf(10) ** -30) if k > 1 else high


def atom_floor(d: int, k: int, eps: float, *, delta: float = 0.0, signed: bool = True) -> mpf:
    slack = mpf("1e-12")  # the bound forgives rounding: N = 3 + 1e-16 counts as 3
    needed = (1 - mpf(delta)) / one_subset(d, k, eps, signed) * (1 - slack) ** k
    return mpf(first_whole(lambda n: binomial(mpf(n), k) >= needed, k))


def rate_exponent(d: int, k: int) -> mpf:
    """Slope of log N against log 1/eps at an eps so small that N exceeds 1e20."""
    digits = 40 * k
    near, nearer = (log_atom_floor(d, k, mpf(10) ** -e) for e in (digits, digits + 1))
    return (nearer - near) / mp.log(10) if d > k else mpf(0)


def rate_per_dimension(k: int, eps: float) -> mpf:
    """Growth of log N between two huge dimensions, where ``C(N, k) = N^k / k!``."""
    near, far = (mp.log(share(d, k, mp.asin(mpf(eps)))) for d in (LARGE, 2 * LARGE))
    return (near - far) / (k * LARGE)


def log_atom_ceiling(d: int, eps: float, *, signed: bool = True) -> mpf:
    return -mp.log(share(d, 1, mp.asin(mpf(eps)) / 2) / (1 if signed else 2))


def atom_ceiling(d: int, eps: float, *, signed: bool = True) -> mpf:
    return mp.exp(log_atom_ceiling(d, eps, signed=signed))


def log_block_ceiling(d: int, k: int, eps: float) -> mpf:
    return mp.log(block_ceiling(d, k, eps))


def block_ceiling(d: int, k: int, eps: float) -> mpf:
    return k * atom_ceiling(-(-d // k), eps)


def circle_count(eps: float, *, signed: bool = True) -> mpf:
    """Smallest number of even arcs whose half-width has a sine of at most eps."""
    if eps == 1:
        return mpf(1)
    reach = mpf(eps) * (1 + mpf("1e-12"))
    turn = mp.pi if signed else 2 * mp.pi
    return mpf(first_whole(lambda n: turn / (2 * n) <= mp.pi / 2 and mp.sin(turn / (2 * n)) <= reach, 1))


def log_distortion_floor(log_atoms: float, d: int, *, signed: bool = True) -> mpf:
    """Integrate ``1 - N P(u)`` as defined, P itself by quadrature, over the angle (``u = sin^2``)."""
    lines = mp.exp(log_atoms) / (1 if signed else 2)
    if d == 1:
        return mp.log(1 - lines) if lines < 1 else -mp.inf
    edge = angle_of(d, mp.log(2 * lines)) if lines > 1 else mp.pi / 2
    with mp.workdps(30):

        def uncovered(x: mpf) -> mpf:  # x in [0, 1], the angle over its edge
            u = mp.sin(x * edge) ** 2
            return (1 - lines * mp.betainc(mpf(d - 1) / 2, mpf(1) / 2, 0, u, regularized=True)) * mp.sin(2 * x * edge)

        nodes = [mpf(0), *(1 - mpf(4) ** j / d for j in reversed(range(8)) if 4**j < d), mpf(1)]
        scale = edge * mp.sin(edge)
        return mp.log(integral(lambda x: uncovered(x) / mp.sin(edge), nodes) * scale)


def distortion_floor(atoms: int, d: int, *, signed: bool = True) -> mpf:
    return mp.exp(log_distortion_floor(mp.log(atoms), d, signed=signed))


# The l1 objective: B1 to B3 -------------------------------------------------------------------------------------------


def true_basis_gauge(d: int) -> mpf:
    """Mean of ``||z||_1``: d times the mean |cosine| with one axis."""
    return d * moment(d - 2, 1, mp.pi / 2) / moment(d - 2, 0, mp.pi / 2) if d > 1 else mpf(1)


def sector_gauge(sector: mpf, angle: mpf) -> mpf:
    """Gauge of the unit vector at ``angle`` from the first of two atoms that are ``sector`` apart."""
    return mp.cos(angle - sector / 2) / mp.cos(sector / 2)


def polygon_gauge(atoms: int) -> mpf:
    sector = 2 * mp.pi / atoms
    return integral(lambda angle: sector_gauge(sector, angle), [mpf(0), sector]) / sector


def gauge_floor_from_log(log_atoms: float, d: int, *, signed: bool = False) -> mpf:
    """Mean secant of the angle to the nearest pole when disjoint caps fill the sphere."""
    caps = mp.exp(log_atoms) * (2 if signed else 1)
    if caps <= 2:
        return mp.inf
    edge = angle_of(d, mp.log(caps))
    return caps * moment(d - 2, 0, edge, secant=True) / (2 * moment(d - 2, 0, mp.pi / 2))


def gauge_floor(atoms: int, d: int, *, signed: bool = False) -> mpf:
    return gauge_floor_from_log(mp.log(atoms), d, signed=signed)


def log_near_optimal_floor(d: int, eta: float, *, signed: bool = False) -> mpf:
    """Search every share q for the most atoms, over the logit of q."""

    def cost(logit: mpf) -> mpf:
        q = 1 / (1 + mp.exp(-logit))
        return mp.log(share(d, 1, mp.acos(1 / (1 + eta / q))) / 2) - mp.log(1 - q)

    with mp.workdps(30):
        best = min(range(-32, 33, 4), key=lambda logit: cost(mpf(logit)))
        return -cost(least(cost, mpf(best - 4), mpf(best + 4), digits=7)) - (mp.log(2) if signed else 0)


def mean_pair_radius(d: int) -> mpf:
    """Mean cosine of the angle to a plane."""
    return moment(d - 3, 2, mp.pi / 2) / moment(d - 3, 1, mp.pi / 2) if d > 2 else mpf(1)


def split_path_change(t: float, pair_radius: float) -> mpf:
    """Integrate the new gauge less the old one over the quarter turn that the spare atom divides."""
    t, quarter = mpf(t), mp.pi / 2

    def change(angle: mpf) -> mpf:
        new = sector_gauge(t, angle) if angle < t else sector_gauge(quarter - t, angle - t)
        return new - sector_gauge(quarter, angle)

    return pair_radius * mp.quad(change, [0, t, quarter], method="gauss-legendre") / (2 * mp.pi)


def split_path_slope(pair_radius: float) -> mpf:
    return split_path_change(TINY, pair_radius) / TINY


def lasso_slope_circle(lam: float) -> mpf:
    """Mean over the circle of ``(z_1 - lam)_+ min((z_2)_+, lam)``."""
    if lam >= 1:
        return mpf(0)
    lam = mpf(lam)
    nodes = sorted({mpf(0), min(mp.asin(lam), mp.acos(lam)), mp.acos(lam)})
    return -mp.quad(lambda a: (mp.cos(a) - lam) * min(mp.sin(a), lam), nodes) / (2 * mp.pi)
