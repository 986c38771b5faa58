"""What the oracles are made of, at 50 digits: quadrature over the sphere, products, searches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from mpmath import mp, mpf

mp.dps = 50
TINY = mpf(10) ** -20  # step of one-sided differences: their error is of its order


def integral(f: Callable[[mpf], mpf], nodes: Iterable[mpf]) -> mpf:
    """Integrate piecewise, insisting on 25 digits; integrand and range must be of order one for that."""
    value, error = mp.quad(f, list(nodes), error=True, method="gauss-legendre")
    if abs(error) > mpf(10) ** -25 * abs(value):
        raise ArithmeticError(f"quadrature reached {mp.nstr(value, 5)} +- {mp.nstr(error, 5)} only")
    return value


@cache
def moment(a: int, b: int, high: mpf, secant: bool = False) -> mpf:
    """``int_0^high sin^a cos^b`` (times the secant), broken up where the integrand falls off and scaled by its peak."""
    peak = min(high, mp.atan2(mp.sqrt(a), mp.sqrt(b))) if a else mpf(0)
    sine, cosine = mp.sin(peak) if a else mpf(1), mp.cos(peak) if b else mpf(1)
    slope = a * mp.cot(peak) - b * mp.tan(peak) if a and peak == high else 0
    width = 2 / max(slope, mp.sqrt(a + b + 1))
    steps = [width * 2**j for j in range(80) if width * 2**j < high]
    nodes = sorted({x for s in steps for x in (peak - s, peak + s) if 0 < x < high} | {mpf(0), peak, high})
    if secant:  # the pole at pi/2 may be near
        nodes = sorted({*nodes, *(high - (high - nodes[-2]) / 4**j for j in range(1, 40))})

    def f(x: mpf) -> mpf:  # x in [0, 1], the angle over its end
        t = x * high
        return (mp.sin(t) / sine) ** a * (mp.cos(t) / cosine) ** b / (mp.cos(t) if secant else 1)

    return integral(f, [t / high for t in nodes]) * high * sine**a * cosine**b


def share(d: int, k: int, angle: mpf) -> mpf:
    """Share of the sphere of R^d within ``angle`` of a k-dimensional subspace: density ``sin^(d-k-1) cos^(k-1)``."""
    if angle == 0:
        return mpf(0)
    return mpf(1) if k == d else moment(d - k - 1, k - 1, mpf(angle)) / moment(d - k - 1, k - 1, mp.pi / 2)


def binomial(n: mpf, k: int) -> mpf:
    value = mpf(1)
    for j in range(k):
        value *= (n - j) / (j + 1)
    return value


def angle_of(d: int, log_caps: mpf) -> mpf:
    """Half-angle at which ``exp(log_caps)`` caps have the measure of the sphere.

    Newton's method in log tan, in which the log of the measure is concave: from below it rises to the root.
    """
    x = -mpf(log_caps) / (d - 1)
    for _ in range(500):
        t = mp.atan(mp.exp(x))
        cap = share(d, 1, t) / 2
        density = mp.sin(t) ** (d - 1) * mp.cos(t) / (2 * moment(d - 2, 0, mp.pi / 2))
        step = -(mp.log(cap) + log_caps) * cap / density
        x += step
        if abs(step) < mpf(10) ** -25:
            return mp.atan(mp.exp(x))
    raise ArithmeticError(f"no angle found for d = {d}, log_caps = {log_caps}")


def least(f: Callable[[mpf], mpf], low: mpf, high: mpf, digits: int = 25) -> mpf:
    """Where a unimodal function is least, by ternary search."""
    while high - low > mpf(10) ** -digits:
        third = (high - low) / 3
        if f(low + third) < f(high - third):
            high -= third
        else:
            low += third
    return (low + high) / 2


def switch(below: Callable[[mpf], bool], low: mpf, high: mpf) -> mpf:
    """Where a condition that holds at ``low`` stops holding, by bisection."""
    low, high = mpf(low), mpf(high)
    for _ in range(150):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return low


def first_whole(holds: Callable[[int], bool], start: int) -> int:
    """Smallest whole number from ``start`` on that satisfies a condition, which every larger one satisfies too."""
    high = start
    while not holds(high):
        start, high = high + 1, 2 * high + 1
    while start < high:
        middle = (start + high) // 2
        start, high = (start, middle) if holds(middle) else (middle + 1, high)
    return start
