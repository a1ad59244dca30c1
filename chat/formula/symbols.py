"""What TeX's commands stand for: signs with their class, letters of other alphabets, accents, delimiters, macros.

The class of a sign says how much space is left around it, as in TeX: ordinary, operator, binary, relation, opening,
closing, punctuation.
"""

from __future__ import annotations

from typing import Final

# The tables are set by hand: one entry a line would be a thousand lines.
# fmt: off


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


#: Letters; capital Greek ones stand upright.
LETTERS: Final = _pairs(
    "alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ vartheta ϑ iota ι kappa κ varkappa ϰ "
    "lambda λ mu μ nu ν xi ξ omicron ο pi π varpi ϖ rho ρ varrho ϱ sigma σ varsigma ς tau τ upsilon υ phi ϕ varphi φ "
    "chi χ psi ψ omega ω digamma ϝ imath ı jmath ȷ ell ℓ wp ℘ partial ∂ hbar ℏ hslash ℏ beth ℶ gimel ℷ daleth ℸ "
    "aleph ℵ Re ℜ Im ℑ eth ð"
)
UPRIGHT: Final = _pairs(
    "Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Upsilon Υ Phi Φ Psi Ψ Omega Ω Alpha Α Beta Β Epsilon Ε Zeta Ζ "
    "Eta Η Iota Ι Kappa Κ Mu Μ Nu Ν Omicron Ο Rho Ρ Tau Τ Chi Χ infty ∞ emptyset ∅ varnothing ∅ nabla ∇ top ⊤ bot ⊥ "
    "angle ∠ measuredangle ∡ sphericalangle ∢ triangle △ square □ Box □ Diamond ◇ lozenge ◊ blacksquare ■ bigstar ★ "
    "blacklozenge ⧫ blacktriangle ▲ blacktriangledown ▼ forall ∀ exists ∃ nexists ∄ neg ¬ lnot ¬ flat ♭ natural ♮ "
    "sharp ♯ clubsuit ♣ diamondsuit ♢ heartsuit ♡ spadesuit ♠ checkmark ✓ maltese ✠ degree ° prime ′ backprime ‵ "
    "mho ℧ Bbbk 𝕜 Finv Ⅎ Game ⅁ complement ∁ S § P ¶ dag † ddag ‡ copyright © pounds £ euro € yen ¥ circledR ® "
    "circledS Ⓢ surd √ AA Å aa å ae æ AE Æ oe œ OE Œ o ø O Ø ss ß l ł L Ł"
)
RELATIONS: Final = _pairs(
    "leq ≤ le ≤ geq ≥ ge ≥ neq ≠ ne ≠ leqslant ⩽ geqslant ⩾ leqq ≦ geqq ≧ ll ≪ gg ≫ lll ⋘ ggg ⋙ lt < gt > "
    "approx ≈ approxeq ≊ sim ∼ simeq ≃ cong ≅ equiv ≡ propto ∝ varpropto ∝ asymp ≍ doteq ≐ doteqdot ≑ triangleq ≜ "
    "coloneqq ≔ coloneq ≔ eqqcolon ≕ Coloneqq ⩴ bumpeq ≏ Bumpeq ≎ circeq ≗ eqcirc ≖ backsim ∽ thicksim ∼ thickapprox ≈ "
    "in ∈ ni ∋ owns ∋ notin ∉ subset ⊂ supset ⊃ subseteq ⊆ supseteq ⊇ subsetneq ⊊ supsetneq ⊋ nsubseteq ⊈ nsupseteq ⊉ "
    "subseteqq ⫅ supseteqq ⫆ Subset ⋐ Supset ⋑ sqsubset ⊏ sqsupset ⊐ sqsubseteq ⊑ sqsupseteq ⊒ "
    "prec ≺ succ ≻ preceq ⪯ succeq ⪰ preccurlyeq ≼ succcurlyeq ≽ precsim ≾ succsim ≿ curlyeqprec ⋞ curlyeqsucc ⋟ "
    "lesssim ≲ gtrsim ≳ lessgtr ≶ gtrless ≷ lessapprox ⪅ gtrapprox ⪆ nless ≮ ngtr ≯ nleq ≰ ngeq ≱ nprec ⊀ nsucc ⊁ "
    "parallel ∥ nparallel ∦ perp ⟂ smile ⌣ frown ⌢ bowtie ⋈ Join ⋈ vdash ⊢ dashv ⊣ models ⊨ vDash ⊨ Vdash ⊩ Vvdash ⊪ "
    "nvdash ⊬ nvDash ⊭ ncong ≇ nsim ≁ nmid ∤ shortmid ∣ shortparallel ∥ pitchfork ⋔ between ≬ therefore ∴ because ∵ "
    "vartriangleleft ⊲ vartriangleright ⊳ trianglelefteq ⊴ trianglerighteq ⊵ "
    "to → rightarrow → leftarrow ← gets ← leftrightarrow ↔ Rightarrow ⇒ Leftarrow ⇐ Leftrightarrow ⇔ uparrow ↑ "
    "downarrow ↓ updownarrow ↕ Uparrow ⇑ Downarrow ⇓ Updownarrow ⇕ longrightarrow ⟶ longleftarrow ⟵ "
    "longleftrightarrow ⟷ Longrightarrow ⟹ Longleftarrow ⟸ Longleftrightarrow ⟺ mapsto ↦ longmapsto ⟼ "
    "hookrightarrow ↪ hookleftarrow ↩ rightharpoonup ⇀ rightharpoondown ⇁ leftharpoonup ↼ leftharpoondown ↽ "
    "rightleftharpoons ⇌ leftrightharpoons ⇋ nearrow ↗ searrow ↘ swarrow ↙ nwarrow ↖ rightsquigarrow ⇝ leadsto ⇝ "
    "leftrightsquigarrow ↭ rightrightarrows ⇉ leftleftarrows ⇇ upuparrows ⇈ downdownarrows ⇊ rightleftarrows ⇄ "
    "leftrightarrows ⇆ twoheadrightarrow ↠ twoheadleftarrow ↞ rightarrowtail ↣ leftarrowtail ↢ nrightarrow ↛ "
    "nleftarrow ↚ nRightarrow ⇏ nLeftarrow ⇍ nLeftrightarrow ⇎ nleftrightarrow ↮ curvearrowright ↷ curvearrowleft ↶ "
    "circlearrowright ↻ circlearrowleft ↺ Rrightarrow ⇛ Lleftarrow ⇚ upharpoonright ↾ upharpoonleft ↿ restriction ↾ "
    "multimap ⊸ dashrightarrow ⇢ dashleftarrow ⇠ looparrowright ↬ looparrowleft ↫ vcentcolon : ratio ∶"
)
BINARIES: Final = _pairs(
    "pm ± mp ∓ times × div ÷ cdot ⋅ ast ∗ star ⋆ circ ∘ bullet ∙ cap ∩ cup ∪ uplus ⊎ sqcap ⊓ sqcup ⊔ vee ∨ lor ∨ "
    "wedge ∧ land ∧ setminus ∖ smallsetminus ∖ wr ≀ diamond ⋄ bigtriangleup △ bigtriangledown ▽ triangleleft ◁ "
    "triangleright ▷ lhd ⊲ rhd ⊳ unlhd ⊴ unrhd ⊵ oplus ⊕ ominus ⊖ otimes ⊗ oslash ⊘ odot ⊙ bigcirc ◯ dagger † "
    "ddagger ‡ amalg ⨿ boxplus ⊞ boxminus ⊟ boxtimes ⊠ boxdot ⊡ ltimes ⋉ rtimes ⋊ leftthreetimes ⋋ "
    "rightthreetimes ⋌ Cap ⋒ Cup ⋓ doublecap ⋒ doublecup ⋓ curlywedge ⋏ curlyvee ⋎ veebar ⊻ barwedge ⊼ circledast ⊛ "
    "circledcirc ⊚ circleddash ⊝ dotplus ∔ divideontimes ⋇ intercal ⊺ And &"
)
#: Large operators: sums have their limits above and below in a formula of its own line, integrals beside them.
SUMS: Final = _pairs(
    "sum ∑ prod ∏ coprod ∐ bigcap ⋂ bigcup ⋃ bigsqcup ⨆ bigvee ⋁ bigwedge ⋀ bigoplus ⨁ bigotimes ⨂ bigodot ⨀ biguplus ⨄"
)
INTEGRALS: Final = _pairs("int ∫ iint ∬ iiint ∭ iiiint ⨌ oint ∮ oiint ∯ oiiint ∰ intop ∫ smallint ∫")
FUNCTIONS: Final = frozenset(
    "arccos arcsin arctan arctg arcctg arg ch cos cosec cosh cot cotg coth csc ctg cth deg dim exp hom ker lg ln log "
    "sec sin sinh sh tan tanh tg th sgn arccot arcsec arccsc arsinh arcosh artanh Tr tr rank diag "
    "erf erfc Var Cov".split()
)
#: Functions with limits as sums have them; a space stands for TeX's thin one.
LIMITS: Final = {
    **{name: name for name in "det gcd inf lim max min Pr sup argmax argmin lcm plim".split()},
    "injlim": "inj lim", "projlim": "proj lim", "limsup": "lim sup", "liminf": "lim inf", "colim": "colim",
    "arg max": "arg max", "arg min": "arg min",
}
PUNCTUATION: Final = {"colon": ":", "cdotp": "·", "ldotp": "."}
DOTS: Final = _pairs("ldots … dots … dotsc … dotso … cdots ⋯ dotsb ⋯ dotsm ⋯ dotsi ⋯ vdots ⋮ ddots ⋱ hdots …")

OPENING: Final = {
    "(": "(", "[": "[", "\\{": "{", "\\lbrace": "{", "\\lbrack": "[", "\\langle": "⟨", "\\lang": "⟨",
    "\\lfloor": "⌊", "\\lceil": "⌈", "\\lvert": "|", "\\lVert": "‖", "\\lgroup": "⟮", "\\llbracket": "⟦",
    "\\ulcorner": "⌜", "\\llcorner": "⌞", "\\lmoustache": "⎰", "\\lparen": "(",
}
CLOSING: Final = {
    ")": ")", "]": "]", "\\}": "}", "\\rbrace": "}", "\\rbrack": "]", "\\rangle": "⟩", "\\rang": "⟩",
    "\\rfloor": "⌋", "\\rceil": "⌉", "\\rvert": "|", "\\rVert": "‖", "\\rgroup": "⟯", "\\rrbracket": "⟧",
    "\\urcorner": "⌝", "\\lrcorner": "⌟", "\\rmoustache": "⎱", "\\rparen": ")",
}
#: Further signs that may follow \left, \right, \middle and \big.
FENCES: Final = {
    **OPENING,
    **CLOSING,
    ".": "", "|": "|", "\\|": "‖", "\\vert": "|", "\\Vert": "‖", "\\mid": "|", "/": "/", "\\backslash": "\\",
    "<": "⟨", ">": "⟩", "\\lt": "⟨", "\\gt": "⟩",
    "\\uparrow": "↑", "\\downarrow": "↓", "\\updownarrow": "↕", "\\Uparrow": "⇑", "\\Downarrow": "⇓",
    "\\Updownarrow": "⇕",
}
BIG: Final = {
    f"{name}{side}": size
    for name, size in {"big": "1.2em", "Big": "1.8em", "bigg": "2.4em", "Bigg": "3em"}.items()
    for side in ("", "l", "r", "m")
}

#: Signs above (True) or below, and whether they are as wide as what they stand on.
ACCENTS: Final[dict[str, tuple[str, bool, bool]]] = {
    "hat": ("^", True, False), "widehat": ("\u0302", True, True), "tilde": ("~", True, False),
    "widetilde": ("\u0303", True, True), "bar": ("¯", True, False),
    "vec": ("→", True, False), "overrightarrow": ("→", True, True), "overleftarrow": ("←", True, True),
    "overleftrightarrow": ("↔", True, True), "dot": ("˙", True, False), "ddot": ("¨", True, False),
    "dddot": ("⃛", True, False), "check": ("ˇ", True, False), "widecheck": ("\u030c", True, True),
    "breve": ("˘", True, False), "acute": ("´", True, False), "grave": ("`", True, False),
    "mathring": ("˚", True, False), "overbrace": ("⏞", True, True), "overbracket": ("⎴", True, True),
    "overparen": ("⏜", True, True),
    "underbrace": ("⏟", False, True), "underbracket": ("⎵", False, True), "underparen": ("⏝", False, True),
    "underrightarrow": ("→", False, True), "underleftarrow": ("←", False, True), "utilde": ("~", False, True),
    "overrightharpoon": ("⇀", True, True),
}
LONG_ARROWS: Final = {
    "xrightarrow": "→", "xleftarrow": "←", "xleftrightarrow": "↔", "xRightarrow": "⇒", "xLeftarrow": "⇐",
    "xLeftrightarrow": "⇔", "xmapsto": "↦", "xhookrightarrow": "↪", "xhookleftarrow": "↩",
    "xrightharpoonup": "⇀", "xrightleftharpoons": "⇌", "xlongequal": "=", "xtwoheadrightarrow": "↠",
}

#: Widths in em.
SPACES: Final = {
    "\\,": 0.1667, "\\thinspace": 0.1667, "\\:": 0.2222, "\\>": 0.2222, "\\medspace": 0.2222, "\\;": 0.2778,
    "\\thickspace": 0.2778, "\\ ": 0.25, "\\nobreakspace": 0.25, "\\space": 0.25, "\\enspace": 0.5, "\\enskip": 0.5,
    "\\quad": 1.0, "\\qquad": 2.0, "\\!": 0.0, "\\negthinspace": 0.0, "\\negmedspace": 0.0, "\\negthickspace": 0.0,
    "~": 0.25,
}
LENGTHS: Final = {"em": 1.0, "ex": 0.43, "pt": 0.1, "mu": 1 / 18, "px": 0.075, "cm": 2.84, "mm": 0.284, "in": 7.2}

NEGATED: Final = _pairs(
    "= ≠ ∈ ∉ ∋ ∌ ∃ ∄ < ≮ > ≯ ≤ ≰ ≥ ≱ ⊂ ⊄ ⊃ ⊅ ⊆ ⊈ ⊇ ⊉ ≡ ≢ ∼ ≁ ≈ ≉ ≅ ≇ ≃ ≄ ∣ ∤ ∥ ∦ → ↛ ← ↚ ↔ ↮ ⇒ ⇏ ⇐ ⇍ ⇔ ⇎ "
    "⊢ ⊬ ⊨ ⊭ ≺ ⊀ ≻ ⊁"
)

#: Alphabets: where capitals, small letters and digits begin in Unicode, and whether a word is one sign.
ALPHABETS: Final[dict[str, tuple[int, int, int]]] = {
    "bf": (0x1D400, 0x1D41A, 0x1D7CE),
    "bi": (0x1D468, 0x1D482, 0x1D7CE),
    "cal": (0x1D49C, 0x1D4B6, 0),
    "bcal": (0x1D4D0, 0x1D4EA, 0),
    "frak": (0x1D504, 0x1D51E, 0),
    "bb": (0x1D538, 0x1D552, 0x1D7D8),
    "sf": (0x1D5A0, 0x1D5BA, 0x1D7E2),
    "tt": (0x1D670, 0x1D68A, 0x1D7F6),
}
#: Letters that Unicode had before it had the alphabets.
HOLES: Final = {
    **dict(zip((0x1D49D, 0x1D4A0, 0x1D4A1, 0x1D4A3, 0x1D4A4, 0x1D4A7, 0x1D4A8, 0x1D4AD), "ℬℰℱℋℐℒℳℛ", strict=True)),
    **dict(zip((0x1D4BA, 0x1D4BC, 0x1D4C4), "ℯℊℴ", strict=True)),
    **dict(zip((0x1D506, 0x1D50B, 0x1D50C, 0x1D515, 0x1D51D), "ℭℌℑℜℨ", strict=True)),
    **dict(zip((0x1D53A, 0x1D53F, 0x1D545, 0x1D547, 0x1D548, 0x1D549, 0x1D551), "ℂℍℕℙℚℝℤ", strict=True)),
}
FONTS: Final = {
    "mathrm": "rm", "mathbf": "bf", "mathit": "it", "mathsf": "sf", "mathtt": "tt", "mathbb": "bb", "Bbb": "bb",
    "mathcal": "cal", "mathscr": "cal", "mathfrak": "frak", "frak": "frak", "mathnormal": "", "boldsymbol": "bi",
    "bm": "bi", "symbf": "bf", "pmb": "bi", "mathbfit": "bi", "mathbfcal": "bcal", "symrm": "rm", "symit": "it",
    "rm": "rm", "bf": "bf", "it": "it", "sf": "sf", "tt": "tt", "cal": "cal",
}
#: Commands of text, with the class of their look.
TEXTS: Final = {
    "text": "", "textrm": "", "textnormal": "", "textup": "", "mbox": "", "hbox": "", "textbf": "tex-bold",
    "textit": "tex-slanted", "emph": "tex-slanted", "texttt": "tex-code", "textsf": "", "mathtext": "",
}
#: A formula's colours are names for some of the page's, so that they can be read in both schemes.
COLOURS: Final = {
    "red": "tex-red", "crimson": "tex-red", "magenta": "tex-red", "blue": "tex-blue", "cyan": "tex-blue",
    "purple": "tex-blue", "violet": "tex-blue", "teal": "tex-green", "green": "tex-green", "olive": "tex-orange",
    "orange": "tex-orange", "brown": "tex-orange", "gray": "tex-soft", "grey": "tex-soft",
}

#: Macros of packages in common use: the number of arguments, and what they stand for.
MACROS: Final[dict[str, tuple[int, str]]] = {
    **{name: (0, rf"\mathbb{{{name}}}") for name in "RNZQC"},
    "reals": (0, r"\mathbb{R}"), "Reals": (0, r"\mathbb{R}"), "natnums": (0, r"\mathbb{N}"),
    "cnums": (0, r"\mathbb{C}"), "Complex": (0, r"\mathbb{C}"),
    "abs": (1, r"\left|#1\right|"), "norm": (1, r"\left\|#1\right\|"), "set": (1, r"\left\{#1\right\}"),
    "floor": (1, r"\left\lfloor #1\right\rfloor"), "ceil": (1, r"\left\lceil #1\right\rceil"),
    "bra": (1, r"\langle #1|"), "ket": (1, r"|#1\rangle"), "braket": (1, r"\langle #1\rangle"),
    "Bra": (1, r"\left\langle #1\right|"), "Ket": (1, r"\left|#1\right\rangle"),
    "dv": (2, r"\frac{\mathrm{d}#1}{\mathrm{d}#2}"), "pdv": (2, r"\frac{\partial #1}{\partial #2}"),
    "dd": (0, r"\,\mathrm{d}"), "diff": (0, r"\mathrm{d}"), "grad": (0, r"\nabla"), "vb": (1, r"\mathbf{#1}"),
    "num": (1, r"\mathrm{#1}"), "si": (1, r"\mathrm{#1}"), "unit": (1, r"\mathrm{#1}"),
    "SI": (2, r"#1\,\mathrm{#2}"), "qty": (2, r"#1\,\mathrm{#2}"), "pu": (1, r"\mathrm{#1}"),
    "nicefrac": (2, r"{#1}/{#2}"), "sfrac": (2, r"{#1}/{#2}"), "implies": (0, r"\;\Longrightarrow\;"),
    "impliedby": (0, r"\;\Longleftarrow\;"), "iff": (0, r"\;\Longleftrightarrow\;"), "LaTeX": (0, r"\text{LaTeX}"),
    "varlimsup": (0, r"\operatorname*{lim\,sup}"), "varliminf": (0, r"\operatorname*{lim\,inf}"),
    "trace": (0, r"\operatorname{Tr}"), "TeX": (0, r"\text{TeX}"), "tfrac": (2, r"{\textstyle\frac{#1}{#2}}"),
    "dfrac": (2, r"{\displaystyle\frac{#1}{#2}}"), "cfrac": (2, r"{\displaystyle\frac{#1}{#2}}"),
    "dbinom": (2, r"{\displaystyle\binom{#1}{#2}}"), "tbinom": (2, r"{\textstyle\binom{#1}{#2}}"),
    "bmod": (0, r"\mathbin{\mathrm{mod}}"), "pmod": (1, r"\quad(\mathrm{mod}\;#1)"), "pod": (1, r"\quad(#1)"),
    "mod": (1, r"\quad\mathrm{mod}\;#1"), "iddots": (0, "⋰"), "Coloneq": (0, r"\coloneqq"),
    "degreeCelsius": (0, r"{}^{\circ}\mathrm{C}"), "celsius": (0, r"{}^{\circ}\mathrm{C}"), "ohm": (0, r"\Omega"),
    "percent": (0, r"\%"), "per": (0, "/"),
}
