"""The ``lerix`` command."""

import gc
import os
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import (
    BaseCommand,
    CommandError,
    call_command,
    execute_from_command_line,
    get_commands,
    load_command_class,
)

import lerix_web
from lerix_web.errors import LerixError

USAGE = """\
Lerix: a private chat page on this machine.

  {lerix} serve     start Lerix and open it in the browser{alone}
  {lerix} open      open the Lerix that is already running
  {lerix} doctor    say what is right with this installation and what is not
  {lerix} service   install, uninstall, status: start Lerix at log-in, and keep it running
  {lerix} broker    run an account broker, which other machines' Lerix can use
  {lerix} --version print the version
  {lerix} --help    print this page

Options:
  --port N      serve, broker: listen on port N instead of 7717 or 7718; 0 takes any free port
  --no-browser  serve, open: print the launch link only
  --json        doctor: print a list of objects

For the broker's operator:
    {lerix} broker createadmin [NAME]                     somebody who may use its admin pages
    {lerix} broker plan EMAIL CODE [--until YYYY-MM-DD]   give an account a plan: free, pro

Django's commands work as well, for example: {lerix} migrate, {lerix} check, {lerix} shell
"""

#: Settings per command; all others belong to the app on this machine.
SETTINGS = {
    "doctor": "lerix_web.settings.doctor",
    "service": "lerix_web.settings.doctor",
    "broker": "lerix_web.settings.broker",
}
LOCAL_SETTINGS = "lerix_web.settings.local"


class Options(ArgumentParser):
    """Our own commands' options: an error is one sentence, not a page of usage."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and end with code 2."""
        print(f"{message[:1].upper()}{message[1:]}. See {program()} --help", file=sys.stderr)
        sys.exit(2)


def serve_options(parser: ArgumentParser) -> None:
    """Add the options of ``serve``."""
    parser.add_argument("--port", type=_port, metavar="N", help="listen on port N; 0 takes any free port")
    open_options(parser)


def open_options(parser: ArgumentParser) -> None:
    """Add the options of ``open``."""
    parser.add_argument("--no-browser", action="store_true", help="print the launch link only")


def doctor_options(parser: ArgumentParser) -> None:
    """Add the options of ``doctor``."""
    parser.add_argument("--json", action="store_true", help="print a list of objects")


def service_options(parser: ArgumentParser) -> None:
    """Add the options of ``service``."""
    parser.add_argument("action", nargs="?", choices=("install", "uninstall", "status"), default="status")


def broker_options(parser: ArgumentParser) -> None:
    """Add the options of ``broker`` and of what else can be done with it."""
    parser.add_argument("--port", type=_port, metavar="N", help="listen on port N; 0 takes any free port")
    parser.add_argument(
        "--embedded", action="store_true", help="for Lerix itself: JSON lines on stdout, ends with stdin"
    )
    actions = parser.add_subparsers(dest="action", parser_class=Options)
    admin = actions.add_parser("createadmin", add_help=False, allow_abbrev=False)
    admin.add_argument("name", nargs="?", default="admin", type=_name, metavar="NAME")
    admin.add_argument("--password-stdin", action="store_true", help="read the password from a line of stdin")
    plan = actions.add_parser("plan", add_help=False, allow_abbrev=False)
    plan.add_argument("email", metavar="EMAIL")
    plan.add_argument("code", metavar="CODE")
    plan.add_argument("--until", type=_day, metavar="YYYY-MM-DD", help="the last day of the plan")


OURS = {
    "serve": serve_options,
    "open": open_options,
    "doctor": doctor_options,
    "service": service_options,
    "broker": broker_options,
}


def program() -> str:
    """Return how this run was started, for sentences that name a command."""
    return "python3 manage.py" if Path(sys.argv[0]).name == "manage.py" else "lerix"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; ``argv`` leaves out the program's name. Return the exit code, 0 if all went well."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except (CommandError, ImproperlyConfigured, LerixError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output is gone; the interpreter must not complain about it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)


def _run(arguments: list[str]) -> int:
    asks_help = bool({"--help", "-h"} & set(arguments[1:])) and arguments[0] in OURS
    if asks_help or arguments in (["--help"], ["-h"], ["help"]):
        alone = " (lerix alone does the same)" if program() == "lerix" else ""
        print(USAGE.format(lerix=program(), alone=alone), end="")
        return 0
    if arguments in (["--version"], ["version"]):
        print(f"Lerix {lerix_web.__version__}")
        return 0
    if not arguments or arguments[0].startswith("-"):
        arguments = ["serve", *arguments]
    command, *rest = arguments
    # Another project's settings may be named in this terminal; ours alone know these commands. A broker that Lerix
    # starts inherits the name of Lerix's own.
    if command == "broker" or not os.environ.get("DJANGO_SETTINGS_MODULE", "").startswith("lerix_web.settings."):
        os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS.get(command, LOCAL_SETTINGS)
    if command in OURS:
        options = Options(prog=program(), add_help=False, allow_abbrev=False)
        OURS[command](options)
        options.parse_args(rest)
        # Before anything is written: databases bring side files of their own, and these follow the umask.
        os.umask(0o077)
        call_command(_load(command), *rest)
        return 0
    # Django's own command line would hide an error in the settings behind "unknown command".
    django.setup()
    execute_from_command_line([program(), *arguments])
    return 0


def _load(command: str) -> BaseCommand:
    """Set Django up and import a command of ours, without looking for garbage, of which this makes none.

    Measured: a sixth of the time until Lerix is ready went into looking. What is loaded stays, so it is left out of
    every later look as well.
    """
    gc.disable()
    try:
        django.setup()
        return load_command_class(get_commands()[command], command)
    finally:
        gc.freeze()
        gc.enable()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:9]) > 65535:
        raise ArgumentTypeError("must be a whole number from 0 to 65535, for example --port 7717")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("must be a day, for example --until 2027-01-31") from None


def _name(text: str) -> str:
    if not re.fullmatch(r"[\w.@+-]{1,150}", text):
        raise ArgumentTypeError("must be made of letters, digits and .@+-_")
    return text


if __name__ == "__main__":
    sys.exit(main())
