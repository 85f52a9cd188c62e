"""How the hub is put on somebody's machines, generated from the contracts (``hub deploy``)."""

from hub.deploy.command import app as app
