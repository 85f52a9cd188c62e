"""The security log: every 401, 403 and replay, by class of reason. Never a key, a token or anything that was sent."""

from __future__ import annotations

from spine.telemetry import log, metrics
from spine.who.principal import Nobody, Principal


def refused(nobody: Nobody) -> None:
    """Nobody can be told: a 401, or a 503 while the issuer's keys can't be had."""
    status = 503 if nobody.again_seconds else 401
    _tell(status, nobody.way, nobody.reason, nobody.known, nobody.party, nobody.issuer)


def forbidden(principal: Principal) -> None:
    """A valid credential that does not allow this: a 403."""
    _tell(403, way_of(principal), "scope", principal.name, principal.party)


def replayed(principal: Principal) -> None:
    """A webhook that was taken before came again as it was: a 409."""
    _tell(409, way_of(principal), "replay", principal.name, principal.party)


def way_of(principal: Principal) -> str:
    """key, token, certificate or webhook."""
    way = principal.name.partition(":")[0]
    return "token" if way == "client" else way


def _tell(status: int, way: str, reason: str, principal: str, party: str, issuer: str = "") -> None:
    log().warning(
        "door_refused", status=status, way=way, reason=reason, principal=principal, party=party, issuer=issuer
    )
    metrics().count("hub_door_refused_total", way=way, reason=reason)
