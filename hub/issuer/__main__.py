"""``python -m hub.issuer``: the sign-in of the demo, on this machine only. Refuses to start anywhere but in a demo.

HUB_OIDC_FILE and HUB_OIDC_SECRET_FILE, as the console reads them; HUB_CONSOLE_URL, HUB_CONTRACTS, HUB_SIGN_IN_PORT.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn
from ruamel.yaml import YAML

from hub.issuer.local import LocalIssuer
from hub.issuer.sign_in import LocalSignIn, Somebody, create_app

LOOPBACK = "127.0.0.1"


def refusal() -> str:
    """Why this must not run here; empty in a demo, whose clock is simulated as no real hub's is."""
    if os.environ.get("HUB_SIMULATED_CLOCK") == "1":
        return ""
    return "this signs anybody in who chooses a name: it runs in `hub demo` and `hub up --demo` only"


def signs_in() -> LocalSignIn:
    """From the environment. Raises KeyError, ValueError or OSError."""
    yaml = YAML(typ="safe", pure=False)
    asked = yaml.load(Path(os.environ["HUB_OIDC_FILE"]))
    listed = yaml.load(Path(os.environ["HUB_CONTRACTS"]) / "teams.yaml")["users"]
    users = {
        str(name): Somebody(str(user["name"]), str(user["oid"]), tuple(map(str, user["roles"])))
        for name, user in listed.items()
        if user.get("oid")
    }
    secret = Path(os.environ["HUB_OIDC_SECRET_FILE"]).read_text().strip()
    back = f"{os.environ['HUB_CONSOLE_URL'].rstrip('/')}/sign-in/back"
    return LocalSignIn(LocalIssuer(str(asked["issuer"]), {}), str(asked["client"]), secret, back, users)


def main() -> int:
    if why := refusal():
        sys.stderr.write(f"not started: {why}\n")
        return 2
    port = int(os.environ["HUB_SIGN_IN_PORT"])
    uvicorn.run(create_app(signs_in()), host=LOOPBACK, port=port, log_level="error", access_log=False, lifespan="off")
    return 0


if __name__ == "__main__":
    sys.exit(main())
