"""Officers who prove who they are: what one asks for and another approves is signed with a key of their own (ADR 24).

Who may is listed in ``contracts/policy/governance.yaml`` with the public half of a key; the other half stays with the
officer (``HUB_OFFICER_KEY_FILE``). Where nobody is listed names are taken as given, and `hub doctor` says so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.heads import NotAllowed, plain
from hub.layout import contracts_folder
from hub.sharing import read_yaml
from spine.ledger.checkpoint import NoteBroken, Signer, Verifier, attested

FILE, KEY_FILE = "policy/governance.yaml", "HUB_OFFICER_KEY_FILE"
LISTED, FORMER = "officers", "former_officers"


class NotProved(NotAllowed):
    """Somebody is not shown to be who they say; the message says how to show it."""


@dataclass(frozen=True, slots=True)
class Officers:
    """``listed``: name as it is listed, and public key. ``former``: keys that count no more, and whose signatures of
    then still hold. ``key``: the private key at hand, None if there is none."""

    listed: Mapping[str, Verifier] = field(default_factory=dict)
    former: Mapping[str, Sequence[Verifier]] = field(default_factory=dict)
    key: Signer | None = field(default=None, repr=False)

    def proved(self, by: str) -> str:
        """The name as it stands on record, of somebody who holds the key of that name. Raises NotProved."""
        if not self.listed:
            return by.strip()
        name = self._named(by)
        if self.key is None:
            raise NotProved(f"show that you are {name}: let {KEY_FILE} name the file of your key")
        if self.key.public != self.listed[name].public:
            raise NotProved(f"the key of {KEY_FILE} is not that of {name}")
        return name

    def signed(self, by: str, text: str) -> str:
        """Line of a signature under ``text``; empty where nobody is listed. Raises NotProved."""
        if not self.listed:
            return ""
        verifier = self.listed[self.proved(by)]
        assert self.key is not None
        return self.key.attest(verifier.name, text)

    def check(self, by: str, text: str, line: str) -> None:
        """Whether ``by``, who is listed, signed this text. Raises NotProved: not signed, not by them, another text."""
        if self.listed:
            _hold(by, text, line, [self.listed[self._named(by)]])

    def check_of_old(self, by: str, text: str, line: str) -> None:
        """As ``check``, for who is listed or was. Raises NotProved."""
        known = [verifier for name, verifier in self.listed.items() if plain(name) == plain(by)]
        known += [one for name, keys in self.former.items() if plain(name) == plain(by) for one in keys]
        _hold(by, text, line, known)

    def _named(self, by: str) -> str:
        for name in self.listed:
            if plain(name) == plain(by):
                return name
        raise NotProved(f"{' '.join(by.split()) or 'nobody'} is not among the officers of {FILE}")


def officers_at_hand(contracts: Path | None = None) -> Officers:
    """The list in force, and the key that the environment names. Raises NotProved, never with the key; OSError."""
    found = listed_officers(contracts or contracts_folder())
    named = os.environ.get(KEY_FILE, "")
    if not found.listed or not named:
        return found
    try:
        return Officers(found.listed, found.former, Signer.parse(Path(named).read_text()))
    except NoteBroken as error:
        raise NotProved(f"{KEY_FILE} {named}: {error}") from None
    except OSError as error:
        raise NotProved(f"{KEY_FILE} {named}: {error.strerror}") from None


def listed_officers(contracts: Path) -> Officers:
    """Who is listed, without a private key. Raises NotProved with every fault of the list, OSError without a file."""
    read = read_yaml(contracts / FILE)
    faults: list[str] = []
    listed = {name: keys[0] for name, keys in _keys(read, LISTED, faults).items()}
    former = _keys(read, FORMER, faults)
    if len({plain(name) for name in listed}) < len(listed):
        faults.append("two names differ in their spelling alone")
    if len({verifier.public for verifier in listed.values()}) < len(listed):
        # One person under two names could ask and approve.
        faults.append("two names have the same key")
    if len(listed) == 1:
        faults.append("one officer alone can approve nothing: list two or more, or none")
    if faults:
        raise NotProved(f"{FILE}, {LISTED}: {'; '.join(faults)}")
    return Officers(listed, former)


def _keys(read: Mapping[str, Any], section: str, faults: list[str]) -> dict[str, list[Verifier]]:
    held = read.get(section) or {}
    if not isinstance(held, dict):
        faults.append(f"{section} maps names to public keys (`hub officers key`)")
        return {}
    found: dict[str, list[Verifier]] = {}
    for name, lines in held.items():
        for line in lines if section == FORMER and isinstance(lines, list) else [lines]:
            try:
                key = Verifier.parse(str(line))
            except NoteBroken as error:
                faults.append(f"{name}: {error}")
            else:
                found.setdefault(str(name), []).append(key)
    return found


def _hold(by: str, text: str, line: str, keys: Sequence[Verifier]) -> None:
    try:
        attested(line, text, keys)
    except NoteBroken:
        raise NotProved(f"that {by} wanted this is not proved: it is not signed with a key of theirs") from None
