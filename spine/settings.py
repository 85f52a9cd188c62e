"""Settings that every process shares, from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from spine.errors import Halt
from spine.kafka import Broker

ROOT = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Names are ``HUB_`` and the field's name in capitals. Services read settings of their own in their shells."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore", frozen=True, hide_input_in_errors=True)

    kafka: str = "127.0.0.1:9092"
    #: As whom this process speaks to Kafka (docs/kafka-security.md). ``broker`` reads and checks them.
    kafka_protocol: str = "PLAINTEXT"
    kafka_user: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_password_file: str = ""
    kafka_ca_file: str = ""
    kafka_certificate_file: str = ""
    kafka_key_file: str = ""
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

    @property
    def broker(self) -> Broker:
        """The broker as this process reaches it. Raises Halt if the password's file can't be read."""
        password = self.kafka_password.get_secret_value()
        if self.kafka_password_file:
            try:
                password = Path(self.kafka_password_file).read_text().strip()
            except OSError as error:
                raise Halt(f"HUB_KAFKA_PASSWORD_FILE {self.kafka_password_file}: {error.strerror}") from error
        files = (self.kafka_ca_file, self.kafka_certificate_file, self.kafka_key_file)
        return Broker(self.kafka, self.kafka_protocol.upper(), self.kafka_user, password, *files)
