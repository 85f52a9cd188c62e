"""Settings that every process shares, from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Names are ``HUB_`` and the field's name in capitals. Services read settings of their own in their shells."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore", frozen=True)

    kafka: str = "127.0.0.1:9092"
    postgres: SecretStr = SecretStr("postgresql://localhost/hub")
    registry: str = ""
    host: Literal["confluent", "faust"] = "confluent"
    group: str = ""
    #: How long a dead worker keeps its partitions. With ``instance`` (a name that one process holds, such as a pod's),
    #: its restart takes them again at once.
    session_ms: int = Field(default=10_000, ge=6_000)
    instance: str = ""
    contracts: Path = ROOT / "contracts"
    schemas: Path = ROOT / "schemas" / "avro"
    health_port: int = Field(default=0, validation_alias=AliasChoices("HUB_HEALTH_PORT", "HUB_METRICS_PORT"))
    health_host: str = "127.0.0.1"
    records_max: int = Field(default=500, gt=0, le=5_000)
    start_seconds_max: int = 120
    stop_seconds_max: int = 45
