"""What every page's template knows without its view saying so."""

from django.http import HttpRequest

from chat import preferences
from chat.preferences import SendKey, Theme


def look(request: HttpRequest) -> dict[str, str]:
    """Return the theme ("" where the system chooses) and the send key ("" where Enter alone sends)."""
    chosen = preferences.current()
    return {
        "theme": "" if chosen.theme is Theme.SYSTEM else chosen.theme.value,
        "send_key": "" if chosen.send_key is SendKey.ENTER else chosen.send_key.value,
    }
