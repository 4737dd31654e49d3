"""The comparison as an SVG: a group of bars for each kind of work, as ratios to the kernel's figure."""

COLOURS = {"kernel": "#9aa0a6", "tenon": "#1a73e8", "tenon-plain": "#8ab4f8", "tenon-packet": "#7a5195", "lwip": "#e8a33d",
           "tenon-one": "#0d47a1", "tenon-plain-one": "#5c8fd6", "reflect": "#8c8c8c", "reflect-one": "#c4c4c4"}
LEFT, TOP, WIDTH, BAR, GAP = 260, 64, 560, 13, 16
MOST = 3.0  # ratios beyond are cut, and written


def text(x, y, content, anchor="start", size=12, colour="#202124"):
    content = content.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{content}</text>'


def scale(ratio):
    return min(ratio, MOST) / MOST * WIDTH


def figure(row):
    value = row["median"]
    if row["unit"] == "/s":
        return f"{value / 1e3:.1f} k/s" if value >= 1e3 else f"{value:.0f}/s"
    return f"{value:.1f} {row['unit']}"


def bars(rows, y):
    """The bars of one kind of work, and where they end."""
    out = [text(LEFT - 10, y + BAR * len(rows) / 2 + 4, rows[0]["title"], "end")]
    for row in rows:
        ratio = row["ratio"] or 0
        out.append(f'<rect x="{LEFT}" y="{y}" width="{scale(ratio):.1f}" height="{BAR - 2}" fill="{COLOURS[row["subject"]]}"/>')
        out.append(text(LEFT + scale(ratio) + 5, y + BAR - 4, f"{ratio:.2f}   {figure(row)}", size=10, colour="#5f6368"))
        y += BAR
    return out, y


def draw(rows, subjects, about):
    out, y = [], TOP
    for work in dict.fromkeys(r["work"] for r in rows):
        group, y = bars([r for r in rows if r["work"] == work], y)
        out += group
        y += GAP
    grid = [f'<line x1="{LEFT + scale(r):.1f}" y1="{TOP - 8}" x2="{LEFT + scale(r):.1f}" y2="{y - GAP + 6}" '
            f'stroke="{"#5f6368" if r == 1 else "#dadce0"}" stroke-dasharray="{"none" if r == 1 else "3 3"}"/>'
            + text(LEFT + scale(r), TOP - 12, f"{r:g}", "middle", 10, "#5f6368") for r in (0.5, 1, 1.5, 2, 2.5, 3)]
    legend, x = [], LEFT
    for name in subjects:
        legend.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{COLOURS[name]}"/>' + text(x + 17, 22, name))
        x += 40 + 8 * len(name)
    height, width = y + 14, LEFT + WIDTH + 150
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>')
    title = text(LEFT - 10, 22, "kernel sockets over veth = 1", "end", 12, "#5f6368")
    foot = text(10, height - 5, about, size=10, colour="#5f6368")
    return "\n".join([head, title, *legend, *grid, *out, foot, "</svg>"]) + "\n"
