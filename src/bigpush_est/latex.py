"""Text that LaTeX prints as it stands: the escapes shared by the report and the results of estimators."""

#: What is printed here that LaTeX wants written otherwise; everything else beyond ASCII is left to the engine.
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
    "∪": r"\ensuremath{\cup}",
    "∅": r"\ensuremath{\emptyset}",
    "Δ": r"\ensuremath{\Delta}",
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
