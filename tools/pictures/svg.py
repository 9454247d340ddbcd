# SPDX-License-Identifier: Apache-2.0
"""Terminal output and timelines as SVG, with the standard library only."""
import re
import textwrap
from html import escape

FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BACK, FRAME, PLAIN, FAINT = "#0d1117", "#30363d", "#e6edf3", "#8b949e"
COLORS = {31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff", 35: "#d2a8ff", 36: "#76e3ea"}
SIZE, WIDE, HIGH, MARGIN = 13, 7.83, 19, 16
ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")


class Svg:
    """A picture on a dark card, legible on light and dark pages."""

    def __init__(self, width, height, title):
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" font-family="{FONT}" '
            f'font-size="{SIZE}">', f"<title>{escape(title)}</title>",
            f'<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8" '
            f'fill="{BACK}" stroke="{FRAME}"/>']

    def text(self, x, y, text, fill=PLAIN, anchor="start", bold=False, fixed=False):
        """`fixed`: as wide as in a terminal, with any font."""
        if text.strip():
            more = f' textLength="{len(text) * WIDE:.1f}" lengthAdjust="spacingAndGlyphs"' if fixed else ""
            more += ' font-weight="bold"' if bold else ""
            more += f' text-anchor="{anchor}"' if anchor != "start" else ""
            self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" '
                               f'xml:space="preserve"{more}>{escape(text)}</text>')

    def box(self, x, y, width, height, fill, dashed=False):
        style = f'fill="none" stroke="{fill}" stroke-dasharray="4 3"' if dashed else f'fill="{fill}"'
        self._parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                           f'height="{height:.1f}" rx="2" {style}/>')

    def line(self, x1, y1, x2, y2, stroke=FRAME):
        self._parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                           f'stroke="{stroke}"/>')

    def __str__(self):
        return "\n".join([*self._parts, "</svg>", ""])


def runs(line):
    """[(text, color, bold)] of a line with ANSI colors."""
    found, color, bold, at = [], PLAIN, False, 0
    for match in [*ESCAPE.finditer(line), None]:
        text = line[at:match.start() if match else len(line)]
        if text:
            found.append((text, color, bold))
        if match:
            at = match.end()
            for code in map(int, (match[1] or "0").split(";")):
                if code == 0:
                    color, bold = PLAIN, False
                elif code == 1:
                    bold = True
                elif code == 2:
                    color = FAINT
                else:
                    color = COLORS.get(code, color)
    return found


def wrapped(line, columns):
    """Wraps a line that does not fit and has no colors, with the indentation of its first part."""
    if ESCAPE.search(line) or len(line) <= columns:
        return [line]
    indent = re.match(r" *(next: )?", line)[0]
    return textwrap.wrap(line, columns, subsequent_indent=" " * len(indent),
                         break_on_hyphens=False)


def terminal(command, output, columns=112):
    """A command and what it printed, wrapped at `columns`."""
    lines = [part for line in output.rstrip("\n").split("\n") for part in wrapped(line, columns)]
    columns = max(len(ESCAPE.sub("", line)) for line in lines)
    picture = Svg(columns * WIDE + 2 * MARGIN, (len(lines) + 1.6) * HIGH + MARGIN, command)
    picture.text(MARGIN, MARGIN + HIGH * 0.6, "$", COLORS[32])
    picture.text(MARGIN + 2 * WIDE, MARGIN + HIGH * 0.6, command, bold=True, fixed=True)
    for row, line in enumerate(lines):
        x = MARGIN
        for text, color, bold in runs(line):
            picture.text(x, MARGIN + (row + 1.9) * HIGH, text, color, bold=bold, fixed=True)
            x += len(text) * WIDE
    return str(picture)
