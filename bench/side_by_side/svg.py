"""Line plots as SVG: a title, two axes, one line a series."""
import math
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 90, 160, 40, 52
COLOURS = ("#0b6e99", "#d1495b", "#66a182", "#edae49", "#5f4b8b", "#333333")


def ticks_of(top):
    step = 10 ** math.floor(math.log10(top)) if top > 0 else 1
    step = next(step * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10) if top / (step * part) <= 5)
    return [step * i for i in range(math.ceil(top / step) + 1)]


def line_plot(title, x_label, y_label, series, log_x=False):
    """series: {name: [(x, y), ...]}. Returns the text of the file."""
    xs = sorted({x for points in series.values() for x, _ in points})
    top = max((y for points in series.values() for _, y in points), default=1) or 1
    y_ticks = ticks_of(top)
    scale = (lambda x: math.log2(max(x, 1e-9))) if log_x else float
    low, high = scale(xs[0]), scale(xs[-1])

    def place(x, y):
        right = (scale(x) - low) / (high - low) if high > low else 0.5
        return (LEFT + right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / y_ticks[-1] * (HEIGHT - TOP - BOTTOM))

    def text(x, y, what, anchor="middle", extra=""):
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(what)}</text>'

    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           text(LEFT, 22, title, "start", 'font-size="15" font-weight="bold"'),
           text((LEFT + right) / 2, HEIGHT - 12, x_label),
           text(0, 0, y_label, "middle", f'transform="translate(16 {(TOP + bottom) / 2:.0f}) rotate(-90)"')]
    for tick in y_ticks:
        _, y = place(xs[0], tick)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#dddddd"/>')
        out.append(text(LEFT - 6, y + 4, f"{tick:,.6g}", "end"))
    for x in xs if len(xs) <= 8 else xs[::math.ceil(len(xs) / 8)]:
        out.append(text(place(x, 0)[0], bottom + 18, f"{x:,.6g}"))
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(x, y) for x, y in sorted(points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        row = TOP + 10 + 20 * number
        out.append(f'<rect x="{right + 14}" y="{row - 9}" width="12" height="12" fill="{colour}"/>')
        out.append(text(right + 32, row + 2, name, "start"))
    return "\n".join([*out, "</svg>"]) + "\n"
