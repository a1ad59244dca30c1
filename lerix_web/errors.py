"""Why Lerix could not start or answer a command. Each text is a sentence ready to show.

LerixError
├── DataFolderError     the data folder, or a file in it, cannot be used
├── DatabaseError       the database cannot be opened, brought up to date or written
├── PortError           the port is taken, or may not be used
├── InstanceError       another Lerix holds the data folder and does not answer, or none runs
└── ServiceError        Lerix cannot be installed as a service, or the service cannot be asked
"""


class LerixError(Exception):
    """Base of all; ``lerix`` prints the text on stderr and ends with code 1."""


class DataFolderError(LerixError):
    """The data folder, or a file in it, cannot be used."""


class DatabaseError(LerixError):
    """The database cannot be opened, brought up to date or written."""


class PortError(LerixError):
    """The port is taken, or may not be used."""


class InstanceError(LerixError):
    """Another Lerix holds the data folder and does not answer, or none runs."""


class ServiceError(LerixError):
    """Lerix cannot be installed as a service, or the service cannot be asked."""
