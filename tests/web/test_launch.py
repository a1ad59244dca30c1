"""Launch links and cookies, with a clock of our own."""

from lerix_web.launch import COOKIE_SECONDS, LINK_SECONDS, MAX_LINKS, Doorkeeper

KEY = b"a key of the installation, 43 bytes long..."


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_has_256_bits_and_works_once() -> None:
    keeper = Doorkeeper(KEY, role="local")
    token = keeper.mint()
    assert len(token) == 43
    assert keeper.redeem(token)
    assert not keeper.redeem(token)


def test_a_link_asked_for_later_expires_and_the_one_of_the_start_does_not() -> None:
    clock = Clock()
    keeper = Doorkeeper(KEY, role="local", clock=clock)
    first, later = keeper.mint(seconds=None), keeper.mint()
    clock.now += LINK_SECONDS + 1
    assert not keeper.redeem(later)
    clock.now += 30 * 24 * 3600
    assert keeper.redeem(first)


def test_links_nobody_uses_do_not_pile_up_and_the_first_one_stays() -> None:
    clock = Clock()
    keeper = Doorkeeper(KEY, role="local", clock=clock)
    first = keeper.mint(seconds=None)
    links = []
    for _ in range(2 * MAX_LINKS):
        clock.now += 0.001
        links.append(keeper.mint())
    assert sum(keeper.redeem(link) for link in links) == MAX_LINKS - 1
    assert keeper.redeem(first)


def test_wrong_tokens_of_any_shape_are_refused() -> None:
    keeper = Doorkeeper(KEY, role="local")
    token = keeper.mint()
    for wrong in ("", "x", token[:-1], token + "x", token.swapcase(), "\ud800", "é" * 43, "a" * 100_000):
        assert not keeper.redeem(wrong)
    assert keeper.redeem(token)


def test_whoever_waits_for_a_token_is_told_once() -> None:
    keeper = Doorkeeper(KEY, role="local")
    used: list[str] = []
    keeper.on_used = used.append
    token = keeper.mint()
    keeper.redeem("wrong")
    keeper.redeem(token)
    keeper.redeem(token)
    assert used == [token]


def test_a_cookie_survives_a_restart_and_ends_after_a_year() -> None:
    clock = Clock()
    cookie = Doorkeeper(KEY, role="local", clock=clock).issue_cookie()
    again = Doorkeeper(KEY, role="local", clock=clock)
    assert again.knows(cookie)
    clock.now += COOKIE_SECONDS + 120
    assert not again.knows(cookie)


def test_another_installation_neither_knows_the_cookie_nor_its_name() -> None:
    one, other = Doorkeeper(KEY, role="local"), Doorkeeper(KEY[::-1], role="local")
    assert one.cookie_name != other.cookie_name
    assert one.cookie_name == Doorkeeper(KEY, role="local").cookie_name
    assert not other.knows(one.issue_cookie())


def test_no_part_of_a_cookie_can_be_changed() -> None:
    keeper = Doorkeeper(KEY, role="local")
    issued, name, seal = keeper.issue_cookie().split(".")
    assert keeper.knows(f"{issued}.{name}.{seal}")
    assert not keeper.knows(f"{int(issued) + 1}.{name}.{seal}")
    assert not keeper.knows(f"{issued}.{name[::-1]}0.{seal}")
    assert not keeper.knows(f"{issued}.{name}.{seal.upper()}")
    assert not keeper.knows(f"{issued}.{name}.")


def test_its_repr_holds_no_secret() -> None:
    keeper = Doorkeeper(KEY, role="local")
    token = keeper.mint()
    assert token not in repr(keeper)
    assert "key of" not in repr(keeper)
