"""The risk of dropping out, for triage: reasons with points, never only a number."""

from hub.risk.command import app as app
