"""The list of models, decoded leniently."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.catalogue import Catalogue, Model, decode_catalogue


def entry(slug: str = "gpt-6.1-sol", **changes: Any) -> dict[str, Any]:
    return {
        "slug": slug,
        "display_name": "GPT-6.1 Sol",
        "description": "Fast.",
        "default_reasoning_level": "low",
        "supported_reasoning_levels": [{"effort": name, "description": name} for name in ("low", "max", "ultra")],
        "visibility": "list",
        "priority": 1,
        "context_window": 272000,
        "input_modalities": ["text", "image"],
        "supports_reasoning_summaries": True,
        "supports_reasoning_summary_parameter": True,
        "support_verbosity": True,
        "default_verbosity": "low",
        "use_responses_lite": True,
        **changes,
    }


def only(**changes: Any) -> Model:
    (model,) = decode_catalogue({"models": [entry(**changes)]}).models
    return model


def test_an_entry_becomes_a_model() -> None:
    model = only()
    assert (model.slug, model.name, model.context_window) == ("gpt-6.1-sol", "GPT-6.1 Sol", 272000)
    assert (model.lite, model.summaries, model.verbosity) == (True, True, "low")
    assert model.modalities == ("text", "image")


def test_visible_models_are_listed_by_priority_and_the_first_is_the_default() -> None:
    payload = {
        "models": [
            entry("third", priority=9), entry("hidden", visibility="hide", priority=0), entry("first", priority=1),
            entry("second", priority=2), entry("none", visibility="none"), entry("first", priority=5), "nonsense", None,
        ]
    }  # fmt: skip
    catalogue = decode_catalogue(payload, '"etag"')
    assert [model.slug for model in catalogue.models] == ["first", "second", "third"]
    assert catalogue.default == catalogue.get("first")
    assert (catalogue.etag, Catalogue(()).default, catalogue.get("hidden")) == ('"etag"', None, None)


def test_the_effort_ultra_is_never_offered() -> None:
    assert [effort.name for effort in only().efforts] == ["low", "max"]
    assert only(default_reasoning_level="ultra").default_effort is None


def test_a_model_says_whether_summaries_may_be_asked_for() -> None:
    assert only(supports_reasoning_summary_parameter=False).summaries is False
    assert only(supports_reasoning_summaries=False).summaries is False
    assert only(support_verbosity=False).verbosity is None


def test_a_model_survives_being_stored() -> None:
    assert Model.from_json(only().to_json()) == only()
    assert Model.from_json({"slug": "old"}) == Model("old", "old")
    with pytest.raises(ValueError, match="slug"):
        Model.from_json({"name": "nameless"})


@pytest.mark.parametrize("payload", [None, [], {}, {"models": {}}, {"data": []}])
def test_a_list_of_another_shape_is_an_error(payload: object) -> None:
    with pytest.raises(ValueError, match="shape"):
        decode_catalogue(payload)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.text(max_size=3))


@given(st.dictionaries(st.sampled_from(sorted(entry())), VALUES))
def test_no_value_of_any_field_raises(changes: dict[str, Any]) -> None:
    for model in decode_catalogue({"models": [{**entry(), **changes, "visibility": "list"}]}).models:
        assert Model.from_json(model.to_json()) == model
        assert model.name.isprintable()
