"""Handshake, encryption, cuts and resume together, decided by seeds: `benchmarks/soak.py relay` runs many more."""

import pytest

from tests.relay.protocol.simulation import Ask, World, body, chaos, check


@pytest.mark.parametrize("seed", range(50))
def test_requests_survive_links_that_are_cut_at_random(seed: int) -> None:
    chaos(seed)


def test_these_runs_are_cut_often() -> None:
    assert sum(chaos(seed).links for seed in range(8)) > 30


def exchange() -> list[Ask]:
    """Some 50 messages: two uploads and an answer in each direction."""
    return [
        Ask("ab" * 16, body("up", 100_000), 90_000),
        Ask(None, b"", 150_000),
        Ask("cd" * 16, body("more", 40_000), 0),
    ]


def boundaries() -> int:
    world = World(1, exchange(), lambda count: False)
    world.run()
    check(world)
    return world.delivered


BOUNDARIES = boundaries()


def test_the_scripted_exchange_has_at_least_fifty_messages() -> None:
    assert BOUNDARIES >= 50


@pytest.mark.parametrize("at", range(1, BOUNDARIES + 1))
def test_a_cut_before_any_message_of_an_exchange_loses_nothing(at: int) -> None:
    world = World(1, exchange(), lambda count: count == at)
    world.run()
    check(world)
    assert world.links == 2


@pytest.mark.parametrize("at", range(1, BOUNDARIES + 1, 4))
def test_a_cut_and_a_host_that_forgot_the_session_do_nothing_twice(at: int) -> None:
    world = World(1, exchange(), lambda count: count == at, forgets=lambda links: links == 2)
    world.run()
    check(world)


@pytest.mark.parametrize("every", [1, 2, 3, 4])
def test_links_that_end_during_each_handshake_still_get_through_once_they_last(every: int) -> None:
    world = World(2, exchange(), lambda count: count <= 40 and count % every == 0)
    world.run()
    check(world)
