"""What a test may change about the emulated account while it runs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

LAUNCH_INSTANCES_MODES = ("available", "absent", "no-capacity")


@dataclass
class Settings:
    """How long things take, in seconds of real time, and which API AWS offers.

    Deadlines are fixed when an instance is launched or terminated: a later change never moves the ones already running.
    """

    launch_seconds: float = 0.5
    healthy_seconds: float = 0.5
    drain_seconds: float = 0.5
    launch_instances: str = "available"

    def update(self, changes: dict[str, Any]) -> None:
        """Applies a partial update completely or not at all."""
        known = {field.name for field in dataclasses.fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(unknown)}")
        if changes.get("launch_instances", "available") not in LAUNCH_INSTANCES_MODES:
            raise ValueError(f"launch_instances must be one of {', '.join(LAUNCH_INSTANCES_MODES)}")
        checked = {name: value if name == "launch_instances" else _seconds(name, value) for name, value in changes.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """The document that GET /driftless/settings answers."""
        return dataclasses.asdict(self)

    def reset(self) -> None:
        """Back to the defaults, in place: other modules have a reference to this object."""
        self.update(dataclasses.asdict(Settings()))


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise ValueError(f"{name} must be a number of seconds, not {value!r}")
    return float(value)


current = Settings()
