"""Plots as SVG text: bars side by side, and curves over a percentile axis."""
import math

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 72, 62
COLOURS = {"meltemi": "#0b7285", "meltemi-vhost": "#74b816", "nginx": "#868e96",
           "haproxy": "#e8590c", "none": "#ced4da", "bridge": "#868e96"}
TEXT, FAINT, GRID = "#212529", "#5c636a", "#e3e6e9"


def _escape(text):
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text(x, y, text, size=12, anchor="start", colour=TEXT, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}" font-weight="{weight}">{_escape(text)}</text>')


def _line(x1, y1, x2, y2, colour=GRID, width=1.0):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def _page(title, subtitle, body):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, Helvetica, Arial, sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT - 48, 24, title, 15, weight="600"),
        _text(LEFT - 48, 42, subtitle, 11, colour=FAINT), *body, "</svg>"]) + "\n"


def short(value):
    """1.2M, 34k, 56, 7.8, 0.91"""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            scaled = value / limit
            return f"{scaled:.0f}{letter}" if scaled >= 9.95 else f"{scaled:.2g}{letter}"
    return f"{value:.3g}"


def _round_step(top, steps=5):
    raw = top / steps
    power = 10 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw)


def _legend(names, titles, right=WIDTH - RIGHT):
    out, x = [], right
    for name in reversed(names):
        x -= 7 * len(titles[name]) + 26
        out += [f'<rect x="{x}" y="{HEIGHT - 22}" width="11" height="11" rx="2" '
                f'fill="{COLOURS[name]}"/>', _text(x + 16, HEIGHT - 12, titles[name], 11)]
    return out


def bars(title, subtitle, groups, titles, unit):
    """groups: [(label, {name: (low, middle, high)})]; a bar for each name, its spread on top."""
    names = [n for n in titles if any(n in values for _, values in groups)]
    top = max(v[2] for _, values in groups for v in values.values()) * 1.12
    step = _round_step(top)
    plot_h, plot_w = HEIGHT - TOP - BOTTOM, WIDTH - LEFT - RIGHT

    def y_of(value):
        return TOP + plot_h * (1.0 - value / top)

    body = [_text(LEFT - 48, TOP - 6, unit, 11, colour=FAINT)]
    value = 0.0
    while value <= top:
        body += [_line(LEFT, y_of(value), WIDTH - RIGHT, y_of(value)),
                 _text(LEFT - 8, y_of(value) + 4, short(value), 11, "end", FAINT)]
        value += step
    group_w = plot_w / len(groups)
    for g, (label, values) in enumerate(groups):
        present = [n for n in names if n in values]
        bar_w = min(54.0, group_w * 0.8 / max(1, len(present)))
        x = LEFT + group_w * (g + 0.5) - bar_w * len(present) / 2
        for name in present:
            low, middle, high = values[name]
            body.append(f'<rect x="{x + 2:.1f}" y="{y_of(middle):.1f}" width="{bar_w - 4:.1f}" '
                        f'height="{max(0.0, y_of(0) - y_of(middle)):.1f}" rx="2" '
                        f'fill="{COLOURS[name]}"/>')
            centre = x + bar_w / 2
            body += [_line(centre, y_of(low), centre, y_of(high), TEXT, 1.2),
                     _text(centre, y_of(high) - 5, short(middle), 10, "middle")]
            x += bar_w
        body.append(_text(LEFT + group_w * (g + 0.5), HEIGHT - BOTTOM + 18, label, 12, "middle"))
    body.append(_line(LEFT, y_of(0), WIDTH - RIGHT, y_of(0), FAINT))
    return _page(title, subtitle, body + _legend(names, titles))


_NINES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999))


def percentiles(title, subtitle, curves, titles, unit="us"):
    """curves: {name: [(share of requests, value)]}, both axes logarithmic: x in nines."""
    names = [n for n in titles if curves.get(n)]
    values = [v for n in names for _, v in curves[n] if v > 0]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values)))
    plot_h, plot_w = HEIGHT - TOP - BOTTOM, WIDTH - LEFT - RIGHT
    nines_max = 4.0

    def x_of(share):
        nines = min(nines_max, -math.log10(max(1e-9, 1.0 - share)))
        return LEFT + plot_w * nines / nines_max

    def y_of(value):
        return TOP + plot_h * (1.0 - math.log(max(value, low) / low) / math.log(high / low))

    body = [_text(LEFT - 48, TOP - 6, unit, 11, colour=FAINT)]
    decade = low
    while decade <= high * 1.001:
        body += [_line(LEFT, y_of(decade), WIDTH - RIGHT, y_of(decade)),
                 _text(LEFT - 8, y_of(decade) + 4, short(decade), 11, "end", FAINT)]
        decade *= 10
    for label, share in _NINES:
        body += [_line(x_of(share), TOP, x_of(share), HEIGHT - BOTTOM),
                 _text(x_of(share), HEIGHT - BOTTOM + 18, label, 11,
                       "end" if share > 0.9995 else "middle")]
    for name in names:
        points = " ".join(f"{x_of(s):.1f},{y_of(v):.1f}" for s, v in curves[name] if s < 0.99995)
        body.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" '
                    f'stroke-width="2.2"/>')
    return _page(title, subtitle, body + _legend(names, titles))
