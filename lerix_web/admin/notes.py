"""Where the admin keeps a word to the next page, such as that something was saved."""

from django.contrib.messages.storage.cookie import CookieStorage


class Notes(CookieStorage):
    """A signed cookie of a name of its own: cookies ignore ports, and other programs on localhost have "messages"."""

    cookie_name = "lerix_admin_notes"
