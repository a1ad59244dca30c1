"""The errors: one tree, drawn in the docstring, each with a sentence that can be shown."""

import inspect

import pytest

from relay.account.keys import errors
from relay.account.keys.errors import KeysError, SigningKeyChanged, Untrusted

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, KeysError) and kind.__module__ == errors.__name__
]


def drawn() -> dict[str, str]:
    """Each class of the docstring's tree, with the class that it stands under."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip("│├└─ ").split(" ")[0]
        depth = (len(line) - len(line.lstrip("│├└─ "))) // 4
        if name and (depth or name == "KeysError"):
            above[depth:] = [name]
            parents[name] = above[depth - 1] if depth else ""
    return parents


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    real = {kind.__name__: kind.__mro__[1].__name__ for kind in CLASSES}
    assert drawn() == real | {"KeysError": ""}


def make(kind: type[KeysError]) -> KeysError:
    return SigningKeyChanged(bytes(32), "12345") if kind is SigningKeyChanged else kind()


@pytest.mark.parametrize("kind", CLASSES)
def test_a_sentence_says_what_happened_and_what_to_do(kind: type[KeysError]) -> None:
    sentence = str(make(kind))
    assert sentence == kind.sentence
    assert sentence.endswith(".")
    assert sentence.count(". ") >= 1
    assert not set("!`‖_") & set(sentence)
    if issubclass(kind, Untrusted):
        kept = ("Nothing on this device was changed", "Nothing was", "unchanged", "unaffected")
        assert any(words in sentence for words in kept)


def test_each_error_has_its_code() -> None:
    leaves = [kind for kind in CLASSES if "code" in vars(kind)]
    codes = [kind.code for kind in leaves]
    assert len(set(codes)) == len(codes)
    assert all(kind in leaves for kind in CLASSES if not kind.__subclasses__())
