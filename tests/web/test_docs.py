"""Tests of the documentation: what the README and the error trees say is what the code does."""

import ast
import importlib
import inspect
import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from lerix_web import cli
from tests.upstream.__main__ import parse as parse_stand_in

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PACKAGES = ("lerix_web", "connections", "chat", "relay")
#: The helpers that settings read their variables by; they are given the names.
ENV_HELPERS = ROOT / "lerix_web" / "settings" / "env.py"
ERROR_MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("errors.py"))
]

Row = list[str]


def section(title: str) -> str:
    """Return the text of a README section without its heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the README has no section {title}"
    return found[1]


def rows(text: str) -> Iterator[Row]:
    """Go through the rows of the tables in a text, as their cells; headings and lines under them are left out."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        for line in block.splitlines()[2:]:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def commands() -> Iterator[list[str]]:
    """Go through the README's commands, as their words: lines of code blocks, and code within sentences."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    for text in [*lines, *re.findall(r"(?<!`)`([^`\n]+)`(?!`)", README)]:
        words = shlex.split(text, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            del words[0]
        if words:
            yield words


def after(*start: str) -> Iterator[list[str]]:
    """Go through what follows in the commands that begin with these words."""
    return (words[len(start) :] for words in commands() if words[: len(start)] == list(start))


def lerix_commands() -> Iterator[list[str]]:
    """Go through the arguments of each ``lerix`` and ``python3 manage.py`` in the README."""
    yield from after("lerix")
    yield from after("python3", "manage.py")
    yield from after("uvx", "--from", ".", "lerix")


# The environment.


def is_environ(node: ast.AST) -> bool:
    return ast.unparse(node) == "os.environ" if isinstance(node, ast.Attribute) else False


def texts(node: ast.expr, loops: dict[str, list[str]]) -> list[str]:
    """Return the texts that an expression may stand for; ``loops`` are the names that loops bind to texts."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    return loops.get(node.id, []) if isinstance(node, ast.Name) else []


def reads_of(source: str) -> tuple[dict[str, str | None], int]:
    """Return the variables a module reads, with their defaults where env_* has one, and how many reads are opaque."""
    tree = ast.parse(source)
    loops: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.comprehension) and isinstance(node.target, ast.Name):
            items = node.iter.elts if isinstance(node.iter, ast.Tuple | ast.List) else []
            loops[node.target.id] = [str(item.value) for item in items if isinstance(item, ast.Constant)]
    found: dict[str, str | None] = {}
    seen = 0
    for node in ast.walk(tree):
        names: list[str] = []
        match node:
            case ast.Call(func=ast.Name(id=helper), args=[name, default, *_]) if helper.startswith("env_"):
                value = default.args[0] if isinstance(default, ast.Call) else default
                found |= dict.fromkeys(texts(name, loops), next(iter(texts(value, loops)), None))
            case ast.Call(func=ast.Attribute(value=place, attr="get" | "setdefault"), args=[name, *_]):
                names = texts(name, loops) if is_environ(place) else []
            case ast.Subscript(value=place, slice=name):
                names = texts(name, loops) if is_environ(place) else []
            case ast.Call(func=ast.Attribute(value=place, attr="items")):
                seen += is_environ(place)  # handed on to another program, which is no setting of ours
        found |= {name: found.get(name) for name in names}
        seen += bool(names)
    everything = sum(map(is_environ, ast.walk(tree)))
    hidden = len(re.findall(r"\bgetenv\b|\bfrom os import .*environ|\bos\.environb\b", source))
    return found, everything - seen + hidden


def reads() -> dict[str, str | None]:
    """Return every environment variable that the packages read, with its default where the settings give one."""
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path == ENV_HELPERS:
                continue
            some, opaque = reads_of(path.read_text("utf-8"))
            assert not opaque, f"{path.relative_to(ROOT)} reads a variable in a way that this test cannot see"
            found |= {name: found.get(name) or default for name, default in some.items()}
    return found


def test_the_readme_lists_exactly_the_variables_that_the_code_reads() -> None:
    listed = [name for row in rows(section("Environment")) for name in re.findall(r"`([A-Z_]+)`", row[0])]
    assert sorted(listed) == sorted(reads())


def test_the_first_table_holds_the_variables_that_are_ours() -> None:
    ours = {name for name in reads() if name.startswith("LERIX_")} | {"CODEX_HOME"}
    assert {row[0].strip("`") for row in rows(section("Environment")) if len(row) == 3} == ours


def test_the_readme_names_the_defaults_that_the_code_has() -> None:
    listed = {row[0].strip("`"): row[1].strip("`") for row in rows(section("Environment")) if len(row) == 3}
    # An empty default means that something else decides, which the table says in words.
    defaults = {name: default for name, default in reads().items() if default}
    assert defaults
    assert {name: listed[name] for name in defaults} == defaults


@pytest.mark.parametrize(
    ("source", "names", "opaque"),
    [
        ('PORT = env_int("PORT", 7, low=0, high=9)', {"PORT": "7"}, 0),
        ('HOME = env_path("HOME", Path("~/x"))', {"HOME": "~/x"}, 0),
        ('a = os.environ.get("A", "")', {"A": None}, 0),
        ('a = os.environ["A"]', {"A": None}, 0),
        ('a = any(os.environ.get(n) for n in ("A", "B"))', {"A": None, "B": None}, 0),
        ("b = {n: v for n, v in os.environ.items() if n in PASSED}", {}, 0),
        ("a = os.environ.get(name)", {}, 1),
        ("run(env=dict(os.environ))", {}, 1),
        ('a = os.getenv("A")', {}, 1),
        ("from os import environ", {}, 1),
    ],
)
def test_a_read_is_found_or_known_to_be_opaque(source: str, names: dict[str, str | None], opaque: int) -> None:
    assert reads_of(source) == (names, opaque)


# Commands, links and what is carried along.


def test_every_command_of_the_readme_exists() -> None:
    known = {*cli.OURS, *get_commands(), "test"}
    found = [arguments for arguments in lerix_commands() if arguments and not arguments[0].startswith("-")]
    assert found
    assert [arguments for arguments in found if arguments[0] not in known] == []


def test_every_option_of_the_readme_is_taken() -> None:
    for arguments in lerix_commands():
        if arguments and arguments[0] in cli.OURS:
            parser = cli.Options(add_help=False, allow_abbrev=False)
            cli.OURS[arguments[0]](parser)
            parser.parse_args(["7717" if word == "N" else word for word in arguments[1:]])
        elif arguments and arguments[0].startswith("-"):
            assert arguments[0] in cli.USAGE


def test_the_readme_tells_of_every_command_and_option_of_the_help() -> None:
    table = {row[0].strip("`").removeprefix("lerix ") for row in rows(section("Install it"))}
    helped = re.findall(r"^  (?:\{lerix\} )?(--[a-z-]+(?: N)?|[a-z]+)", cli.USAGE, re.MULTILINE)
    assert sorted(table) == sorted(helped)


def test_the_stand_in_is_started_as_the_readme_says() -> None:
    starts = list(after(".venv/bin/python", "-m", "tests.upstream"))
    assert starts
    for options in starts:
        if options == ["--help"]:
            continue
        parse_stand_in(options)


def test_the_scripts_and_test_folders_of_the_readme_exist() -> None:
    scripts = [words[0] for words in commands() if words[0].startswith(".ci/")]
    assert scripts
    assert [script for script in scripts if not os.access(ROOT / script, os.X_OK)] == []
    folders = [word for words in after("python3", "manage.py", "test") for word in words if "/" in word]
    assert folders
    assert [folder for folder in folders if not (ROOT / folder).exists()] == []


def test_every_relative_link_and_picture_of_the_readme_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", README) if "://" not in target]
    assert "tests/browser/pictures/chat.png" in targets
    assert [target for target in targets if target not in anchors and not (ROOT / target).is_file()] == []


def test_the_readme_names_every_vendored_part_with_its_version_and_licence() -> None:
    records = [json.loads(path.read_text("utf-8")) for path in sorted(ROOT.glob("*/*/vendor/*/VERSIONS.json"))]
    records += [json.loads(path.read_text("utf-8")) for path in sorted(ROOT.glob("*/*/vendor/VERSIONS.json"))]
    listed = sorted((row[1], row[2]) for row in rows(section("Licences")))
    assert listed == sorted((record["version"], record["licence"]) for record in records)


def test_the_readme_explains_every_pill_of_the_codex_card() -> None:
    tree = ast.parse((ROOT / "connections" / "codex" / "states.py").read_text("utf-8"))
    pills: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        titles = [keyword.value for keyword in node.keywords if keyword.arg == "title"]
        titles += node.args[1:2] if node.func.id == "_status" else node.args[2:3] if node.func.id == "Status" else []
        for title in titles:
            choices = [title.body, title.orelse] if isinstance(title, ast.IfExp) else [title]
            pills |= {str(choice.value) for choice in choices if isinstance(choice, ast.Constant)}
    assert {row[0] for row in rows(section("Troubleshooting"))} == pills


# The trees of errors.


@pytest.mark.parametrize("name", ERROR_MODULES)
def test_every_error_stands_in_its_modules_tree_below_its_base(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__ is not None
    drawn: dict[str, str | None] = {}
    above: list[str] = []
    for line in module.__doc__.split("\n\n")[1].splitlines():
        found = re.match(r"([│├└─ ]*)(\w+)", line)
        assert found is not None, line
        del above[len(found[1]) // 4 :]
        assert found[2] not in drawn
        drawn[found[2]] = above[-1] if above else None
        above.append(found[2])
    classes = [each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == name]
    names = {each.__name__ for each in classes}
    bases = {each.__name__: each.__bases__[0].__name__ for each in classes}
    assert drawn == {each: base if base in names else None for each, base in bases.items()}
