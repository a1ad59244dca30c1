"""The pages. Nothing is posted to them, and their addresses carry nothing that they would act upon."""

from collections.abc import Callable
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from relay.broker import house

View = Callable[[HttpRequest], HttpResponse]

#: What a page's modules and the house's styles do not know of: nobody is told where a reader came from.
HEADERS: Final = {"Referrer-Policy": "no-referrer"}
#: The front page has no field, asks nobody, and shows which links fit by what is stored in the browser.
HOME_POLICY: Final = (
    "default-src 'none'; script-src {origin}/static/; style-src {origin}/static/; img-src {origin}/static/; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
SHOWN_INSIDE: Final = frozenset({"iframe", "frame", "embed", "object", "fencedframe"})


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Say what this is; nothing about accounts."""
    about = house.installed()
    if about.embedded:
        return render(request, "home.html")
    origin = f"{request.scheme}://{request.get_host()}"
    answer = render(request, "people/home.html", {"sign_up": about.sign_up, "origin": origin})
    return _with(answer, {"Content-Security-Policy": HOME_POLICY.format(origin=origin)})


def page(template: str) -> View:
    """A page of people; the embedded broker, which answers its own Lerix only, has none."""

    @require_safe
    def view(request: HttpRequest) -> HttpResponse:
        about = house.installed()
        if about.embedded:
            raise Http404
        if request.headers.get("Sec-Fetch-Dest", "") in SHOWN_INSIDE:
            refused = "This page is not shown inside others. Open the broker’s address instead."
            return HttpResponse(refused, status=403, content_type="text/plain; charset=utf-8")
        return _with(render(request, template, {"sign_up": about.sign_up}))

    return view


sign_in: Final = page("people/sign_in.html")
create: Final = page("people/create.html")
recover: Final = page("people/recover.html")
devices: Final = page("people/devices.html")


def _with(response: HttpResponse, more: dict[str, str] | None = None) -> HttpResponse:
    for name, value in {**HEADERS, **(more or {})}.items():
        response[name] = value
    return response
