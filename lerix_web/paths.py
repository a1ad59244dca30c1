"""Where Lerix keeps its things: one folder, readable by its owner only."""

import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path

import platformdirs

from lerix_web.errors import DataFolderError

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
#: In a wheel, templates and static files travel inside the package; in a checkout they stand beside it.
ASSETS = PACKAGE if (PACKAGE / "templates").is_dir() else ROOT

#: The database of the app on this machine.
DATABASE = "lerix.sqlite3"
FOLDER_MODE = 0o700
FILE_MODE = 0o600
#: Keys are some 40 bytes; anything longer was not written by us.
SECRET_LIMIT = 4096


def data_folder() -> Path:
    """Return the data folder, created and closed to others.

    Raises DataFolderError if it belongs to somebody else, is no folder, or cannot be written.
    """
    return private_folder(named_folder())


def named_folder() -> Path:
    """Return where the data folder is or will be: LERIX_HOME, else the system's place for it.

    Raises DataFolderError for a relative path.
    """
    named = os.environ.get("LERIX_HOME", "")
    if named.strip():
        folder = Path(named).expanduser()
        if not folder.is_absolute():
            raise DataFolderError("LERIX_HOME must be an absolute path. For example: LERIX_HOME=~/lerix-data")
    else:
        # "Lerix" on macOS and "lerix" on Linux, as folders are named there.
        name = "Lerix" if sys.platform == "darwin" else "lerix"
        folder = platformdirs.user_data_path(name, appauthor=False)
    return folder


def private_folder(folder: Path) -> Path:
    """Create the folder with mode 0700 if it is missing, close it to others, and return it.

    Raises DataFolderError if it belongs to somebody else, is no folder, or cannot be written.
    """
    advice = "Name another folder in LERIX_HOME."
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        facts = folder.stat()
        if facts.st_uid != os.geteuid():
            raise DataFolderError(f"The data folder {folder} belongs to another user. {advice}")
        if stat.S_IMODE(facts.st_mode) != FOLDER_MODE:
            folder.chmod(FOLDER_MODE)
    except FileExistsError:
        raise DataFolderError(f"{folder} is a file, not a folder. {advice}") from None
    except OSError as error:
        raise DataFolderError(f"The data folder {folder} cannot be made: {reason(error)}. {advice}") from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise DataFolderError(f"The data folder {folder} cannot be written. {advice}")
    return folder


def database(folder: Path | None = None, name: str = DATABASE) -> Path:
    """Return the path of a SQLite database in the data folder; the file is made empty if it is missing.

    SQLite gives its -wal and -shm files the mode of this one, whatever command opens it first and under
    whatever umask. Raises DataFolderError if it cannot be made.
    """
    path = (folder or data_folder()) / name
    try:
        path.touch(FILE_MODE, exist_ok=True)
    except OSError as error:
        raise DataFolderError(f"The database {path} cannot be made: {reason(error)}.") from None
    return path


def database_path(folder: Path) -> Path:
    """Return where the database is or will be."""
    return folder / DATABASE


def close_to_others(folder: Path) -> None:
    """Set mode 0600 on every plain file in the data folder (databases, their -wal and -shm, keys).

    Raises DataFolderError if one of them belongs to somebody else.
    """
    for path in folder.iterdir():
        try:
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode) and stat.S_IMODE(facts.st_mode) != FILE_MODE:
                path.chmod(FILE_MODE)
        except FileNotFoundError:
            continue  # a -wal file goes when its last reader leaves
        except OSError as error:
            raise DataFolderError(
                f"{path} cannot be closed to other users: {reason(error)}. "
                "Give it back to your own user, or move it away."
            ) from None


def secret(folder: Path, name: str) -> bytes:
    """Return the secret kept in the file of that name, made with 256 random bits at first use.

    Two programs that start at once get the same one. Raises DataFolderError if it cannot be read or written.
    """
    path = folder / name
    try:
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(32).encode())
        # Not a link that leads elsewhere, and never more than a key's worth of bytes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if facts.st_uid != os.geteuid():
                raise DataFolderError(f"{path} belongs to another user. Move it away and start again.")
            if stat.S_IMODE(facts.st_mode) != FILE_MODE:
                os.fchmod(descriptor, FILE_MODE)
            value = file.read(SECRET_LIMIT).strip()
    except OSError as error:
        raise DataFolderError(f"{path} cannot be used: {reason(error)}.") from None
    if len(value) < 32:
        raise DataFolderError(f"{path} is damaged. Remove it and start again; browsers then need a new link.")
    return value


def write_private(path: Path, content: bytes) -> None:
    """Replace the file's content in one step, mode 0600. Raises OSError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _create(draft, content)
    draft.replace(path)


def _write_once(path: Path, content: bytes) -> None:
    # A link to a complete file either appears or does not: no reader ever sees half a key.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _create(draft, content)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _create(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def reason(error: OSError) -> str:
    """Return the system's own words for the fault, to stand inside a sentence."""
    return (error.strerror or type(error).__name__).lower()
