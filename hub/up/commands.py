"""``hub up``, ``hub down``, ``hub status``."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

from hub.agreement_moves import release_compiled
from hub.backlog import Backlog, backlogs
from hub.keys import ensure
from hub.layout import Home, contracts_folder
from hub.machine.ports import wait_until
from hub.machine.process import MachineError, alive, end, spawn, tail
from hub.output import DONE, FAILED, HALTED, AsJson, fail, show_json, show_table
from hub.running import Where
from hub.topics import counts, read_topics
from hub.up.machine import Machine
from hub.up.plan import Addresses, children, write_sign_in
from hub.up.record import ProcessRecord, RunRecord, born, read_run
from hub.up.supervisor import Supervisor
from spine.errors import Retry, SpineError
from spine.kafka import Broker

READY_SECONDS_MAX = 240
LOOK_SECONDS = 0.2


def up(
    detach: Annotated[bool, typer.Option(help="Go to the background once everything answers.")] = False,
    demo: Annotated[bool, typer.Option(help="Demo: mail sink, simulated clock, no ticker.")] = False,
    secure_kafka: Annotated[
        bool,
        typer.Option(envvar="HUB_SECURE_KAFKA", help="A broker with TLS and access lists: every service its own user."),
    ] = False,
    database_roles: Annotated[
        bool,
        typer.Option(envvar="HUB_DATABASE_ROLES", help="Every process under a database role of its own."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the whole hub on this machine: servers without an address given, topics, registry, every service.

    HUB_KAFKA, HUB_POSTGRES and HUB_REGISTRY point to servers of your own.

    Exit codes: 0 ended as asked (or, detached, everything answers); 1 something did not start; 2 wrong usage.
    """
    home = Home.of_environment()
    held = read_run(home.run)
    if held is not None and held.supervisor.running():
        fail("it runs already; see `hub status`", as_json=as_json)
    if detach:
        asked = {"demo": demo, "secure_kafka": secure_kafka, "database_roles": database_roles}
        _say_up(start_detached(home, **asked, as_json=as_json), as_json)
        return
    ensure(home, contracts_folder())
    try:
        with Machine(home, secure=secure_kafka, roles=database_roles) as machine:
            _supervise(home, machine, demo=demo, as_json=as_json)
    except (MachineError, SpineError) as error:
        fail(str(error), as_json=as_json)


def start_detached(
    home: Home, *, demo: bool, secure_kafka: bool = False, database_roles: bool = False, as_json: bool = False
) -> RunRecord:
    """Start the supervisor in the background and wait until everything answers; leave with exit code 1 otherwise.

    Without ``secure_kafka`` HUB_SECURE_KAFKA decides.
    """
    log = home.logs / "supervisor.log"
    words = (("--demo", demo), ("--secure-kafka", secure_kafka), ("--database-roles", database_roles))
    asked = [word for word, wanted in words if wanted]
    command = [sys.executable, "-m", "hub", "up", *asked]
    process = spawn(command, log)

    def settled() -> bool:
        run = read_run(home.run)
        mine = run is not None and run.supervisor.pid == process.pid
        return process.poll() is not None or (mine and run is not None and (run.ready or bool(run.halted())))

    wait_until(settled, READY_SECONDS_MAX, 0.2)
    run = read_run(home.run)
    if process.poll() is not None or run is None or not run.ready:
        down = [p.name for p in run.processes if p.state != "up" or not p.running()] if run is not None else []
        for name in down:
            log = home.logs / f"{name}.log"
        end(process.pid, seconds_max=60)
        fail(f"the hub did not start; {log} ends:\n{tail(log)}", as_json=as_json)
    return run


def _say_up(run: RunRecord, as_json: bool) -> None:
    if as_json:
        show_json({"ready": run.ready, "addresses": dict(run.addresses), "supervisor": run.supervisor.pid})
    else:
        show_table("The hub is up", ("what", "address"), run.addresses.items())


def _left_alone() -> bool:
    """Whether the process that HUB_GUARD names has ended: a hub that a test started must not outlive it."""
    guard = os.environ.get("HUB_GUARD", "")
    return guard.isdigit() and not alive(int(guard))


def _supervise(home: Home, machine: Machine, *, demo: bool, as_json: bool) -> None:
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, frame: stopping.append(got))
    me = ProcessRecord("supervisor", os.getpid(), born(os.getpid()))
    addresses = machine.start()
    shown = {
        "console": addresses.url("console"),
        "door": addresses.url("door"),
        "answers": addresses.url("answers"),
        "files": str(home.files),
        "sftp": addresses.sftp,
        "registry": addresses.registry,
        "kafka": addresses.kafka,
        "postgres": addresses.postgres,
    }
    ready = False
    if demo:
        write_sign_in(home, addresses)
    plan = children(home, addresses, demo=demo)
    supervisor = Supervisor(plan, home.logs, lambda: write())

    def record() -> RunRecord:
        return RunRecord(me, ready, (*machine.processes, *supervisor.records()), shown, addresses.secure)

    def write() -> None:
        record().write(home.run)

    try:
        supervisor.start()
        while not stopping and not _left_alone():
            supervisor.watch()
            if not ready and answering(supervisor.records()) and _in_force(addresses, record().broker()):
                ready = True
                write()
                _say_up(record(), as_json)
            time.sleep(LOOK_SECONDS)
    finally:
        supervisor.stop()
    home.run.unlink(missing_ok=True)


def _in_force(addresses: Addresses, operator: Broker) -> bool:
    """Put the compiled agreements in force on the log; False while a server does not answer yet."""
    try:
        release_compiled(Where(operator, addresses.postgres, addresses.registry))
    except Retry:
        return False
    return True


def answering(records: tuple[ProcessRecord, ...]) -> bool:
    """Whether every process runs and every port that one serves takes connections."""
    import socket

    for record in records:
        if record.state != "up" or not record.running():
            return False
        if record.port is None:
            continue
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", record.port)) != 0:
                return False
    return True


def down(as_json: AsJson = False) -> None:
    """Stop the hub of this machine: services first, then its servers. Data stays.

    Exit codes: 0 stopped, or nothing ran; 1 something had to be killed; 2 wrong usage.
    """
    gently, names = take_down(Home.of_environment())
    if as_json:
        show_json({"stopped": names, "killed": not gently})
    else:
        typer.echo(f"stopped: {', '.join(names)}" if names else "nothing runs")
    raise typer.Exit(DONE if gently else FAILED)


def take_down(home: Home) -> tuple[bool, list[str]]:
    """Stop what runs. Whether nothing had to be killed, and what there was."""
    run = read_run(home.run)
    if run is None:
        return True, []
    gently = True
    if run.supervisor.running():
        gently = end(run.supervisor.pid, signal.SIGTERM, seconds_max=120)
    # What a killed supervisor left behind: services before the servers they write to.
    for record in reversed(run.processes):
        if record.running():
            how = signal.SIGINT if record.name == "postgres" else signal.SIGTERM
            gently = end(record.pid, how, seconds_max=30) and gently
    home.run.unlink(missing_ok=True)
    return gently, [record.name for record in run.processes]


def status(as_json: AsJson = False) -> None:
    """What runs, where it answers, how far each service is behind, and what stands on the topics.

    Exit codes: 0 everything runs; 1 nothing runs or a process is down; 2 wrong usage; 3 a service has halted.
    """
    run = read_run(Home.of_environment().run)
    if run is None or not run.supervisor.running():
        fail("nothing runs; `hub up` starts it", as_json=as_json)
    topics = read_topics(contracts_folder())
    behind = backlogs(run.broker(), run.addresses["postgres"], topics)
    held = counts(run.broker(), [topic.name for topic in topics if not topic.name.startswith("partner.")])
    totals = {name: sum(high - low for low, high in places.values()) for name, places in held.items()}
    if as_json:
        processes = [{**asdict(record), "running": record.running()} for record in run.processes]
        show_json(
            {
                "ready": run.ready,
                "addresses": dict(run.addresses),
                "processes": processes,
                "services": [asdict(one) for one in behind],
                "records": totals,
            }
        )
    else:
        _show_status(run, behind, totals)
    if run.halted():
        raise typer.Exit(HALTED)
    raise typer.Exit(DONE if all(record.running() for record in run.processes) else 1)


def _show_status(run: RunRecord, behind: list[Backlog], totals: dict[str, int]) -> None:
    rows = [(p.name, p.pid, p.state if p.running() else f"down ({p.state})", p.port, p.restarts) for p in run.processes]
    show_table("Processes", ("name", "pid", "state", "port", "restarts"), rows)
    services = [(b.service, b.topic, b.decided, b.behind, b.unsent) for b in behind]
    show_table("Services", ("service", "reads", "decided", "behind", "unsent"), services)
    show_table("Records on the topics", ("topic", "records"), totals.items())
