# SPDX-License-Identifier: Apache-2.0
"""Turns the Markdown of docs/ into scdoc: headings, paragraphs, lists, tables and code blocks."""
import re

LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


def escaped(text):
    """Text without meaning for scdoc."""
    text = re.sub(r"([\\*_`~#])", r"\\\1", text)
    return re.sub(r"^([-\]\[|:])", r"\\\1", text)


def first_sentence(text):
    """Without a full stop; of "usage: what it does" the latter."""
    return re.split(r"\.(?: |$)", text, maxsplit=1)[0]


def inline(text):
    """`code` and **bold** become bold; a link becomes its text."""
    text = LINK.sub(lambda link: link[1], text).replace("<http", "http").replace("/metrics>", "/metrics")
    parts = re.split(r"(\*\*[^*]+\*\*|`[^`]+`)", text)
    parts[0] = re.sub(r"^\.\.\.", "…", parts[0])  # at the begin of a line scdoc escapes only one full stop
    done = ""
    for part in parts:
        if part.startswith("`"):
            done += f"*{re.sub(r'([_*~`#])', lambda m: chr(92) + m[0], part[1:-1])}*"
        elif part.startswith("**"):
            done += f"*{escaped(part[2:-2].replace('`', ''))}*"
        else:
            done += re.sub(r"([\\*_`~#])", r"\\\1", part)
    # scdoc needs a word boundary around formatting.
    done = re.sub(r"(?<=\w)\*(?=[^\s*][^*]*\*)", "\\\\*", done) if done.count("*") % 2 else done
    return re.sub(r"^([-|:\[\]])", r"\\\1", done)


def cells_of(row):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def table(rows):
    """As a list of definitions: columns of a terminal are too narrow for these tables."""
    lines = []
    for row in rows[2:]:
        cells = [cell.replace("\\|", "|") for cell in cells_of(row)]
        lines += [inline(cells[0]) or "\\ ", "\t" + (". ".join(
            inline(cell) for cell in cells[1:] if cell) or "\\ "), ""]
    return lines


def body_of(text):
    lines, rows, paragraph, code = [], [], [], False

    def flush():
        nonlocal rows, paragraph
        if rows:
            lines.extend(table(rows))
        if paragraph:
            lines.extend([inline(" ".join(paragraph)), ""])
        rows, paragraph = [], []

    for line in text.splitlines():
        if line.startswith("```"):
            flush()
            lines.append("```")
            code = not code
            if not code:
                lines.append("")
        elif code:
            lines.append(line)
        elif line.startswith("|"):
            rows.append(line)
        elif not line.strip():
            flush()
        elif heading := re.match(r"(#+) (.*)", line):
            flush()
            level = "#" if len(heading[1]) <= 2 else "##"
            title = heading[2].replace("`", "")
            lines += [f"{level} {title.upper() if level == '#' else title}", ""]
        elif item := re.match(r"(?:[-*]|\d+\.) (.*)", line):
            flush()
            paragraph.append("• " + item[1])
        elif not re.match(r"!\[|<", line):
            paragraph.append(line.strip())
    flush()
    return "\n".join(lines)
