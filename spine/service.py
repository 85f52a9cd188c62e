"""Run one service: ``serve(name, processor_factory)`` is all of a service's ``__main__``.

Exit codes: 0 stopped by SIGTERM or SIGINT; 1 failed for an unknown reason, a restart may help; 3 halted, an operator
must look (the log event ``halt`` says why); 4 database, broker or registry did not answer at the start.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path

from spine import build, host, traces
from spine.errors import Halt, Retry
from spine.health import HealthServer
from spine.host import Running, topics_of
from spine.kafka import KafkaLog
from spine.keystore.kek import FILE, VARIABLE, LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.migrate import migrate, migrate_keystore
from spine.postgres import PostgresJournal
from spine.progress import Progress
from spine.registry import use_registry
from spine.schema import Catalogue
from spine.settings import Settings
from spine.step import Limits, Processor
from spine.telemetry import log, metrics, setup, where

STOPPED, FAILED, HALTED, NOT_READY = 0, 1, 3, 4


@dataclass(slots=True)
class Prepared:
    """What a shell needs before it begins: tables are there, schemas registered, topics checked."""

    name: str
    settings: Settings
    catalogue: Catalogue
    journal: PostgresJournal
    log: KafkaLog

    def close(self) -> None:
        if isinstance(self.catalogue.keys, PostgresKeys):
            self.catalogue.keys.close()
        self.log.close()
        self.journal.close()


def prepare(name: str, topics: Sequence[str] = (), settings: Settings | None = None) -> Prepared:
    """Migrate, register and check for ``name``. For shells that are no processors (doors, senders), too.

    Waits for servers that are starting, up to ``start_seconds_max``; then Retry leaves.
    """
    settings = settings or Settings()
    url = settings.postgres.get_secret_value()
    catalogue = Catalogue([settings.schemas])
    keys = keys_of(url)
    held = KafkaLog(settings.broker, catalogue.frame, source=name)
    _waiting(settings, name, lambda: migrate(url, name))
    if keys is not None:
        _waiting(settings, name, lambda: migrate_keystore(url))
        catalogue.keys = keys
    if settings.registry:
        use_registry(catalogue, settings.registry, wait_seconds_max=settings.start_seconds_max)
    _waiting(settings, name, lambda: _check_topics(held, topics))
    return Prepared(name, settings, catalogue, PostgresJournal(url, name), held)


def serve(
    name: str,
    factory: Callable[[Catalogue, Path], Processor],
    *,
    topics: Sequence[str] | None = None,
    before: Callable[[Running], object] | None = None,
) -> None:
    """Run service ``name`` until SIGTERM, then exit the process with a code as above.

    ``before`` is called with the worker when all is ready and nothing is read yet; what it returns is closed at the
    end if it has ``close``. ``topics`` replaces the processor's own input topics.
    """
    sys.exit(run(name, factory, topics=topics, before=before))


def main(name: str, factory: Callable[[Catalogue, Path], Processor], words: Sequence[str]) -> int:
    """The ``__main__`` of a service that can be replayed: ``run``, or ``replay`` as the child of ``hub replay``."""
    match list(words):
        case ["run"]:
            return run(name, factory)
        case ["replay"]:
            # Imported only where it is used: a service that runs has nothing to do with it.
            from spine.replay import serve as serve_replay

            return serve_replay(factory)
        case _:
            sys.stderr.write(f"usage: python -m services.{name} run | replay\n")
            return 2


def run(
    name: str,
    factory: Callable[[Catalogue, Path], Processor],
    *,
    topics: Sequence[str] | None = None,
    before: Callable[[Running], object] | None = None,
) -> int:
    """As ``serve``, but returns the exit code."""
    begun = time.monotonic()
    setup(name)
    traces.begin(name)
    settings = Settings()
    stop = threading.Event()
    on_signals(stop, settings.stop_seconds_max)
    code = FAILED
    with ExitStack() as closing:
        try:
            code = _run(name, factory, topics, before, settings, stop, closing)
        except Halt as halt:
            log().critical("halt", reason=str(halt))
            code = HALTED
        except Retry as retry:
            log().critical("failed", error=f"Retry: {retry}", at="start")
            code = STOPPED if stop.is_set() else NOT_READY
        except Exception as error:
            log().critical("failed", error=type(error).__name__, at=where(error))
            code = FAILED
    traces.end()
    log().info("stopped", seconds=round(time.monotonic() - begun, 1), code=code)
    return code


def _collect_seldom() -> None:
    """A batch makes many short-lived objects and few cycles: looking for cycles as often as Python does by default
    took about a sixth of the services' CPU (measured with ``hub bench pipeline``)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _run(
    name: str,
    factory: Callable[[Catalogue, Path], Processor],
    topics: Sequence[str] | None,
    before: Callable[[Running], object] | None,
    settings: Settings,
    stop: threading.Event,
    closing: ExitStack,
) -> int:
    begun = time.monotonic()
    prepared = prepare(name, topics or (), settings)
    closing.callback(prepared.close)
    processor = factory(prepared.catalogue, settings.contracts)
    chosen = tuple(topics or topics_of(processor))
    _check_topics(prepared.log, chosen)
    running = Running(
        name,
        chosen,
        processor,
        prepared.journal,
        prepared.log,
        prepared.catalogue,
        settings.broker,
        settings.group or f"hub-{name}",
        Limits(records_max=settings.records_max),
        settings.session_ms,
        settings.instance,
        stop,
    )
    if os.environ.get("HUB_ARCHIVE") and (build.ROOT / "services" / name).is_dir():
        _keep(name, processor, settings)
    _collect_seldom()
    health = HealthServer(running.progress, settings.health_port, settings.health_host)
    health.start()
    closing.callback(health.stop)
    if before is not None:
        extra = before(running)
        closing.callback(getattr(extra, "close", lambda: None))
    seconds = round(time.monotonic() - begun, 1)
    log().info(
        "started", host=settings.host, topics=list(chosen), group=running.group, port=health.port, seconds=seconds
    )
    _host(settings)(running)
    return STOPPED


def _keep(name: str, processor: Processor, settings: Settings) -> None:
    """Keep this build for whoever replays. Raises Retry where the archive can't be written: no decision is made that
    could not be shown again."""
    try:
        given = os.environ.get("HUB_MODEL")
        folder, model = Path(os.environ["HUB_ARCHIVE"]), Path(given) if given else None
        build.keep(folder, name, processor.build, processor.settings, settings.contracts, model)
    except OSError as error:
        raise Retry(f"the archive (HUB_ARCHIVE) cannot be written: {error.strerror}") from error


def _host(settings: Settings) -> Callable[[Running], None]:
    if settings.host == "faust":
        # Imported only where it is used: it is heavy, and changes the event loop.
        from spine.faust_host import run as run_faust

        return run_faust
    return host.run


def _check_topics(held: KafkaLog, topics: Sequence[str]) -> None:
    for topic in topics:
        try:
            held.partitions(topic)
        except KeyError as error:
            raise Retry(f"topic {topic} does not exist yet: it comes from contracts/topics.yaml") from error


def keys_of(url: str) -> PostgresKeys | None:
    """The key store, for processes that were given the key-encryption key; the others can neither seal nor open."""
    given = os.environ.get(VARIABLE) or os.environ.get(FILE)
    return PostgresKeys(url, LocalKek.of_environment()) if given else None


def _waiting(settings: Settings, name: str, work: Callable[[], None]) -> None:
    """Do ``work``; while it says Retry, or the database is not there, again."""
    deadline, attempt = time.monotonic() + settings.start_seconds_max, 0
    while True:
        try:
            return work()
        except Retry as retry:
            if time.monotonic() > deadline:
                raise
            attempt += 1
            log().warning("retry", where="start", reason=str(retry), attempt=attempt, seconds=0.5)
            metrics().count("hub_retries_total", service=name, where="start")
            time.sleep(0.5)


@contextmanager
def rounds(name: str, stop: threading.Event) -> Iterator[Progress]:
    """For a process that works in rounds beside the services: it hears signals and answers for its health."""
    setup(name)
    settings = Settings()
    on_signals(stop, settings.stop_seconds_max)
    progress = Progress()
    health = HealthServer(progress, settings.health_port, settings.health_host)
    health.start()
    log().info("started", host=name, topics=[], port=health.port)
    try:
        yield progress
    finally:
        health.stop()
    log().info("stopped", code=0)


def on_signals(stop: threading.Event, seconds_max: int) -> None:
    """SIGTERM and SIGINT set ``stop``; a process that does not leave in time is ended hard.

    The handler only writes to a pipe: it interrupts the main thread anywhere, also where that holds the lock of the
    log or of ``stop``, and would wait for it for ever. A thread does the rest.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    heard, heard_by_handler = os.pipe()
    os.set_blocking(heard_by_handler, False)

    def ask(number: int, frame: object) -> None:
        del frame
        with suppress(BlockingIOError):
            os.write(heard_by_handler, bytes([number]))

    def leave() -> None:
        number = os.read(heard, 1)[0]
        stop.set()
        log().info("stopping", reason=signal.Signals(number).name)
        time.sleep(seconds_max)
        _end_hard(seconds_max)

    threading.Thread(target=copy_context().run, args=(leave,), name="signals", daemon=True).start()
    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


def _end_hard(seconds: int) -> None:
    log().critical("wedged", seconds=seconds)
    os._exit(FAILED)
