"""What every page's template knows without its view saying so."""

from django.http import HttpRequest

from chat import preferences
from chat.preferences import SendKey, Theme
from connections.visitor import visitor


def look(request: HttpRequest) -> dict[str, str]:
    """Return the theme ("" where the system chooses), the send key ("" where Enter alone sends), and "on" or "" for
    whether this browser tells of long answers that are done.
    """
    chosen = preferences.current()
    who = visitor()
    return {
        "theme": "" if chosen.theme is Theme.SYSTEM else chosen.theme.value,
        "send_key": "" if chosen.send_key is SendKey.ENTER else chosen.send_key.value,
        "notify": "on" if preferences.notifies(who.device if who else None) else "",
    }
