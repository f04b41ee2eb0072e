"""Medians, quartiles, ratios within a round."""
import statistics


def quartiles(values):
    """(lower quartile, median, upper quartile); of fewer than five values, which have no quartiles
    worth the name, the extremes and the median."""
    values = list(values)
    if not values:
        return None
    if len(values) < 5:
        return min(values), statistics.median(values), max(values)
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def per_round(rounds, value, over=None):
    """Quartiles of value(round), or of value(round) / over(round); rounds where one is missing do
    not count. None when none counts."""
    found = []
    for one in rounds:
        top = value(one)
        below = 1.0 if over is None else over(one)
        if top is not None and below:
            found.append(top / below)
    return quartiles(found)


def spread_text(three, digits=2):
    """1.23 (1.20..1.31)"""
    if three is None:
        return "-"
    low, middle, high = (f"{v:.{digits}f}" for v in three)
    return f"{middle} ({low}..{high})"
