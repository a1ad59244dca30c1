"""Which certificate authorities a broker's certificate may come from, for requests and links alike."""

import ssl
from functools import cache

import certifi


@cache
def trusted() -> ssl.SSLContext:
    """The system's authorities, and Mozilla's list: some Pythons on macOS know none of the system's.

    OpenSSL looks for the system's itself, and honours SSL_CERT_FILE and SSL_CERT_DIR: so a broker can have a
    certificate of a company's own authority.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
