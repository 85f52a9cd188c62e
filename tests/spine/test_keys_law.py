"""One law for every key store: memory and PostgreSQL. Then what only PostgreSQL can break."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from spine.errors import Halt, Retry
from spine.keystore import Erased, Keys, MemoryKeys, postgres
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import REMEMBER_SECONDS, PostgresKeys
from spine.migrate import migrate_keystore
from spine.seal import DATA_KEY_BYTES, SEALERS_MAX, FieldSealer, sealers

KEK, NONCE = bytes(range(32)), bytes(11)
ONE, OTHER, THIRD = "college/aaa", "college/bbb", "housing/aaa"


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def keys(request: pytest.FixtureRequest) -> Iterator[Keys]:
    if request.param == "memory":
        yield MemoryKeys()
        return
    url = request.getfixturevalue("fresh_database")
    migrate_keystore(url)
    held = PostgresKeys(url, LocalKek(KEK))
    yield held
    held.close()


@pytest.fixture
def store(fresh_database: str) -> Iterator[Callable[..., PostgresKeys]]:
    """Stores of several processes on one database."""
    migrate_keystore(fresh_database)
    made: list[PostgresKeys] = []

    def another(kek: bytes = KEK, clock: Callable[[], float] = lambda: 0.0) -> PostgresKeys:
        made.append(PostgresKeys(fresh_database, LocalKek(kek), clock))
        return made[-1]

    yield another
    for held in made:
        held.close()


def test_a_reference_has_one_key_for_ever_and_another_has_another(keys: Keys) -> None:
    keys.make([ONE, OTHER, THIRD])
    sealed = keys.key(ONE).seal(NONCE, 0, b"Khan-Reid", b"e1|name")
    keys.make([OTHER, ONE])
    assert keys.key(ONE).open(NONCE, 0, sealed, b"e1|name") == b"Khan-Reid"
    assert len({keys.key(ref).seal(NONCE, 0, b"Khan-Reid", b"e1|name") for ref in (ONE, OTHER, THIRD)}) == 3


def test_a_destroyed_key_never_comes_back(keys: Keys) -> None:
    keys.make([ONE, OTHER])
    assert keys.destroy([ONE]) == 1
    assert keys.destroy([ONE]) == 0
    keys.make([ONE])
    keys.ready([ONE])
    with pytest.raises(Erased):
        keys.key(ONE)
    keys.key(OTHER)


@pytest.mark.postgres
def test_another_process_finds_the_keys_that_stand(store: Callable[..., PostgresKeys]) -> None:
    first, second = store(), store()
    first.make([ONE, THIRD])
    sealed = first.key(ONE).seal(NONCE, 0, b"x", b"about")
    second.ready([ONE, "nobody/ever"])
    assert second.key(ONE).open(NONCE, 0, sealed, b"about") == b"x"


@pytest.mark.postgres
def test_of_two_processes_that_make_a_key_at_once_one_wins(store: Callable[..., PostgresKeys]) -> None:
    stores = [store() for _ in range(4)]
    refs = [f"college/{n}" for n in range(200)]
    together = threading.Barrier(len(stores))

    def make(held: PostgresKeys) -> None:
        together.wait()
        held.make(refs)

    threads = [threading.Thread(target=make, args=[held]) for held in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ref in refs:
        assert len({held.key(ref).seal(NONCE, 0, b"x", b"y") for held in stores}) == 1


@pytest.mark.postgres
def test_a_destroyed_key_is_gone_from_running_processes_within_two_minutes(store: Callable[..., PostgresKeys]) -> None:
    now = [0.0]
    first, second = store(clock=lambda: now[0]), store()
    first.make([ONE])
    second.destroy([ONE])
    first.key(ONE)
    now[0] += REMEMBER_SECONDS + 1
    first.ready([ONE])
    with pytest.raises(Erased):
        first.key(ONE)


@pytest.mark.postgres
def test_of_all_keys_some_are_remembered_and_a_batch_keeps_what_it_fetched(
    store: Callable[..., PostgresKeys], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "REMEMBERED_MAX", 10)
    held, refs = store(), [f"college/{n}" for n in range(60)]
    held.make(refs)
    for first in range(0, 60, 15):
        mine = refs[first : first + 15]
        held.ready(mine)
        for ref in mine:
            held.key(ref)
        assert held._keys.keys() == set(mine)
    for ref in refs:
        held.key(ref)
        assert len(held._keys) <= 2 * 10 + 1


@pytest.mark.postgres
def test_a_fact_without_a_key_stops_the_service(store: Callable[..., PostgresKeys]) -> None:
    with pytest.raises(Halt, match="restore it"):
        store().key("college/never-made")


@pytest.mark.postgres
def test_another_key_encryption_key_opens_nothing(store: Callable[..., PostgresKeys]) -> None:
    store().make([ONE])
    with pytest.raises(Halt, match="key-encryption key"):
        store(kek=bytes(32)).key(ONE)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE keystore.data_key a SET wrapped = b.wrapped FROM keystore.data_key b "
        "WHERE a.ref = %(a)s AND b.ref = %(b)s",
        "UPDATE keystore.data_key SET wrapped = set_byte(wrapped, 20, 255 - get_byte(wrapped, 20)) WHERE ref = %(a)s",
    ],
    ids=["exchanged", "altered"],
)
def test_a_row_that_was_exchanged_or_altered_does_not_open(
    store: Callable[..., PostgresKeys], fresh_database: str, tampering: str
) -> None:
    store().make([ONE, OTHER])
    with psycopg.connect(fresh_database) as connection:
        connection.execute(tampering.encode(), {"a": ONE, "b": OTHER})
    with pytest.raises(Halt, match="altered or moved"):
        store().key(ONE)


@pytest.mark.postgres
def test_no_key_stands_in_the_store_in_clear(store: Callable[..., PostgresKeys], fresh_database: str) -> None:
    held = store()
    held.make([ONE])
    with psycopg.connect(fresh_database) as connection:
        (wrapped,) = connection.execute("SELECT wrapped FROM keystore.data_key").fetchone() or (b"",)
        (agency,) = connection.execute("SELECT wrapped FROM keystore.agency_key").fetchone() or (b"",)
    assert len(wrapped) == 12 + 64 + 16 and len(agency) == 12 + 32 + 16
    assert KEK not in agency and not wrapped.startswith(agency[:12])


@pytest.mark.postgres
def test_a_store_that_is_away_is_waited_for(store: Callable[..., PostgresKeys], fresh_database: str) -> None:
    held = store()
    held.make([ONE])
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub-keystore'"
        )
    with pytest.raises(Retry):
        held.make([OTHER])
    held.make([OTHER])
    held.key(OTHER)


@pytest.mark.parametrize("text", ["", "c2hvcnQ=", "not base64!"])
def test_a_key_that_is_none_is_said_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="HUB_KEK"):
        LocalKek.of_environment(environ={"HUB_KEK": text})


def test_of_a_countys_keys_only_a_few_ciphers_are_held() -> None:
    sealer_of = sealers()
    many = [number.to_bytes(DATA_KEY_BYTES, "big") for number in range(SEALERS_MAX + 100)]
    before = _sealers_alive()
    for key in many:
        sealer_of(key)
    assert _sealers_alive() - before == SEALERS_MAX
    nonce = sealer_of(many[0]).nonce(b"record")
    sealed = sealer_of(many[0]).seal(nonce, 0, b"value", b"about")
    assert sealer_of(many[0]).open(nonce, 0, sealed, b"about") == b"value"


def _sealers_alive() -> int:
    gc.collect()
    return sum(type(one) is FieldSealer for one in gc.get_objects())
