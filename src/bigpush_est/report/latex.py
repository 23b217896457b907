"""Tables in LaTeX: booktabs, and longtable for those that may break across pages."""

from collections.abc import Sequence

from bigpush_est.latex import escaped


def latex_table(
    *,
    name: str,
    caption: str,
    note: str,
    headings: Sequence[str],
    right: Sequence[bool],
    blocks: Sequence[tuple[str, Sequence[tuple[bool, Sequence[str]]]]],
    long: bool,
) -> str:
    """Return a table environment that needs only ``booktabs`` (and ``longtable`` if it is long).

    Parameters
    ----------
    name, caption, note
        Label, caption, and a remark set below the table.
    headings, right
        Heading of each column and whether it is flush right.
    blocks
        Rows under their headings: (heading, [(emphasised, cells)]).
    long
        Whether it may break across pages.
    """
    columns = len(headings)
    # texts wrap, numbers do not
    wide = 0.9 / max(1, columns)
    layout = "".join("r" if flag else rf"p{{{wide:.2f}\linewidth}}" if long else "l" for flag in right)
    head = " & ".join(escaped(heading) for heading in headings) + r" \\"
    body: list[str] = []
    for heading, rows in blocks:
        if heading:
            body.append(rf"\multicolumn{{{columns}}}{{l}}{{\itshape {escaped(heading)}}} \\")
        for emphasised, cells in rows:
            texts = [rf"\textbf{{{escaped(cell)}}}" if emphasised else escaped(cell) for cell in cells]
            body.append(" & ".join(texts) + r" \\")
    title = rf"\caption{{{escaped(caption)}}}\label{{tab:{name}}}"
    remark = [rf"\par\smallskip{{\footnotesize {escaped(note)}\par}}"] if note else []
    if long:
        lines = [rf"\begin{{longtable}}{{{layout}}}", title + r" \\", r"\toprule", head, r"\midrule", r"\endfirsthead"]
        lines += [r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
        lines += [*body, r"\end{longtable}", *remark]
    else:
        lines = [r"\begin{table}[htbp]", r"\centering", title, rf"\begin{{tabular}}{{{layout}}}", r"\toprule", head]
        lines += [r"\midrule", *body, r"\bottomrule", r"\end{tabular}", *remark, r"\end{table}"]
    return "\n".join(lines) + "\n"
