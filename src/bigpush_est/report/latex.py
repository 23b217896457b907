"""Tables in LaTeX: booktabs, and longtable for those that may break across pages."""

from collections.abc import Sequence

#: What the report prints that LaTeX wants written otherwise; everything else beyond ASCII is left to the engine.
_SYMBOLS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "−": r"\ensuremath{-}",
    "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}",
    "≤": r"\ensuremath{\le}",
    "≥": r"\ensuremath{\ge}",
    "≠": r"\ensuremath{\ne}",
    "∞": r"\ensuremath{\infty}",
    "→": r"\ensuremath{\to}",
    "✓": "yes",
    "ᵀ": r"\textsuperscript{T}",
    "ᵁ": r"\textsuperscript{U}",
    "′": r"\ensuremath{'}",
    "–": "--",
    "—": "---",
    "’": "'",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
}
_GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "η": "eta",
    "θ": "theta",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "ξ": "xi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "υ": "upsilon",
    "φ": "phi",
}
_SYMBOLS |= {letter: rf"\ensuremath{{\{name}}}" for letter, name in _GREEK.items()}


def escaped(text: str) -> str:
    r"""Return a text that LaTeX prints as it stands.

    Examples
    --------
    >>> escaped("50% of s̄ & δ")
    '50\\% of \\ensuremath{\\bar{s}} \\& \\ensuremath{\\delta}'
    """
    result: list[str] = []
    for index, letter in enumerate(text):
        if letter == "\u0304":  # a macron over the letter before it
            base = text[index - 1] if index else ""
            if result:
                result.pop()
            result.append(rf"\ensuremath{{\bar{{{base}}}}}")
        else:
            result.append(_SYMBOLS.get(letter, letter))
    return "".join(result)


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
