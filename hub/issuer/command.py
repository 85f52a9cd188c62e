"""``hub issuer``: an issuer of tokens for as long as the command runs."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml import YAML

from hub.layout import contracts_folder
from hub.output import USAGE, AsJson, fail, show_json, show_table


def issuer(
    client: Annotated[
        list[str], typer.Option("--client", help="<client id>=<party>, as in contracts/parties.yaml; may be repeated.")
    ],
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.")] = 0,
    speakers: Annotated[
        Path | None, typer.Option(help="Write the file of speakers here, for the door's HUB_SPEAKERS.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="End after so many seconds; 0: when it is stopped.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Run an issuer of tokens on this machine, to try client credentials with. Every client is in mode test.

    Prints each client's secret once. Exit 0 when stopped, 2 for wrong usage.
    """
    # A server and its cryptography: no other command needs to wait for their import.
    import uvicorn

    from hub.issuer.local import LocalIssuer, create_app, speakers_of

    parties = _parties(client, as_json)
    listener = socket.create_server(("127.0.0.1", port))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    local = LocalIssuer(address, {one: secrets.token_urlsafe(24) for one in parties})
    if speakers is not None:
        with speakers.open("w") as out:
            YAML().dump(speakers_of(local, parties), out)
    if as_json:
        show_json({"issuer": local.issuer, "token_url": f"{local.issuer}/token", "clients": dict(local.clients)})
    else:
        rows = [(one, secret, parties[one]) for one, secret in local.clients.items()]
        show_table(f"{local.issuer}/token", ["client id", "secret", "party"], rows)
    server = uvicorn.Server(uvicorn.Config(create_app(local), log_level="error", lifespan="off"))
    if seconds:
        timer = threading.Timer(seconds, lambda: setattr(server, "should_exit", True))
        timer.daemon = True
        timer.start()
    server.run(sockets=[listener])


def _parties(clients: Iterable[str], as_json: bool) -> dict[str, str]:
    known = YAML(typ="safe").load(contracts_folder() / "parties.yaml")["parties"]
    named = dict(one.partition("=")[::2] for one in clients)
    unknown = sorted(client for client, party in named.items() if party not in known or not client)
    if unknown:
        fail(f"no such party for {', '.join(unknown)}: <client id>=<party> is needed", as_json=as_json, code=USAGE)
    return named
