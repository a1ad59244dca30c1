"""The listening sockets: 127.0.0.1 and ::1, both or none.

"localhost" may lead a browser to either. If only one of them were ours, another user of this machine could
listen on the other and be sent the launch link.
"""

import errno
import socket

from lerix_web.errors import PortError

#: Where Lerix listens, and nowhere else.
ADDRESSES: tuple[tuple[socket.AddressFamily, str], ...] = (
    (socket.AF_INET, "127.0.0.1"),
    (socket.AF_INET6, "::1"),
)
#: This machine has no such address at all, so nobody else can sit on it either.
ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
#: With port 0 the free port of one family may be taken in the other.
TRIES = 20
BACKLOG = 128


def listen(port: int, command: str = "lerix serve", usual: int = 7717) -> list[socket.socket]:
    """Return listening, non-blocking sockets on one port of every loopback address; 0 takes any free port.

    Raises PortError if the port is taken on either address or may not be used; its sentence names the command to
    start with another port, and the usual one.
    """
    for attempt in range(TRIES):
        sockets: list[socket.socket] = []
        number = port
        try:
            for family, address in ADDRESSES:
                opened = _open(family, address, number)
                if opened is not None:
                    sockets.append(opened)
                    number = opened.getsockname()[1]
        except OSError as error:
            for opened in sockets:
                opened.close()
            if error.errno == errno.EADDRINUSE and port == 0 and attempt < TRIES - 1:
                continue
            raise PortError(_sentence(error, number, command, usual)) from None
        if sockets:
            return sockets
        break
    raise PortError("This machine has no loopback address, so Lerix cannot listen.")


def _open(family: socket.AddressFamily, address: str, port: int) -> socket.socket | None:
    try:
        opened = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
    try:
        # A restart must not wait for the last run's closed connections; a port in use stays refused.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setblocking(False)
        opened.bind((address, port))
        # At once: with SO_REUSEADDR a port that is bound but not listening can still be taken by others.
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        if error.errno in ABSENT:
            return None
        raise
    return opened


def _sentence(error: OSError, port: int, command: str = "lerix serve", usual: int = 7717) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else usual
        return f"Port {port} is in use by another program. Choose another one: {command} --port {other}"
    if error.errno == errno.EACCES:
        return f"Port {port} is reserved for the system. Choose one above 1023: {command} --port {usual}"
    return f"Lerix cannot listen on port {port}: {(error.strerror or 'unknown reason').lower()}."
