#!/usr/bin/env python3
"""Draws the icons that Lerix is installed under, from static/lerix/icon.svg, by Chromium.

    .venv/bin/python .ci/icons.py            write static/lerix/icons/*.png

Run it when the drawing changes. Systems cut icons to shapes of their own: what is "maskable", and Apple's, has its
colour up to the edge and its sign within the middle 80 per cent; the others are the drawing as it is.
"""

import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

LERIX = Path(__file__).resolve().parent.parent / "static" / "lerix"
#: Name, pixels on each side, and whether the system cuts it.
ICONS = (("icon-192", 192, False), ("icon-512", 512, False), ("maskable-512", 512, True), ("apple-touch", 180, True))
#: The share of the side that the sign keeps where the icon is cut.
SAFE = 0.86


def drawing(svg: str, *, cut: bool) -> str:
    """Return the SVG; with `cut`, without the rounded corners of its ground, and the sign a little smaller."""
    if not cut:
        return svg
    ground = re.search(r'<rect[^>]* rx="\d+"[^>]*/>', svg)
    if ground is None:
        raise ValueError("icon.svg has no ground with rounded corners")
    head, sign = svg[: ground.start()], svg[ground.end() :].removesuffix("</svg>\n").removesuffix("</svg>")
    full = re.sub(r' rx="\d+"', "", ground[0])
    middle = 16 * (1 - SAFE)
    return f'{head}{full}<g transform="translate({middle} {middle}) scale({SAFE})">{sign}</g></svg>'


def main() -> int:
    """Write the files; return the exit code."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("Chromium is needed to draw the icons, and it is not installed.", file=sys.stderr)
        return 1
    svg = (LERIX / "icon.svg").read_text("utf-8")
    (LERIX / "icons").mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, size, cut in ICONS:
            page = browser.new_page(viewport={"width": size, "height": size})
            style = f"<style>body{{margin:0}}svg{{display:block;width:{size}px;height:{size}px}}</style>"
            page.set_content(style + drawing(svg, cut=cut))
            page.screenshot(path=LERIX / "icons" / f"{name}.png", omit_background=True)
            print(f"icons/{name}.png: {size} x {size}")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
