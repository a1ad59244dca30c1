"""TeX formulas as MathML, made on the server: no script, no font and no style attribute is needed to show them.

`symbols` is what the names mean, `reader` reads groups and scripts, `commands` and `tables` know commands and
environments, `rows` puts signs beside each other as TeX spaces them. No Django here, and nothing of Markdown.
"""
