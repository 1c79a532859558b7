"""Corrections of when ministack delivers: events of AWS services, delayed messages, schedules."""

from __future__ import annotations

import time
from threading import Thread

from ministack.core.concurrency import esm_wake
from ministack.services import eventbridge, scheduler

POLL_SECONDS = 0.1
TICK_SECONDS = 1


def events_of_aws_services_can_be_put() -> None:
    """AWS: refuses `aws.*` sources in PutEvents, and emits such events itself. ministack: refuses them too, and emits none
    of Config, EC2 or CloudWatch alarms. So a test may put what AWS would have emitted."""
    eventbridge._put_events.__defaults__ = (True,)


def delayed_messages_are_polled_promptly() -> None:
    """AWS: polls a function's queue all the time. ministack: looks once a second for a message whose delay or visibility
    timeout has passed. So the correction triggers it ten times a second."""

    def wake_poller() -> None:
        while True:
            time.sleep(POLL_SECONDS)
            esm_wake.set()

    Thread(target=wake_poller, name="driftless-poller", daemon=True).start()


def schedules_fire_on_time() -> None:
    """AWS: EventBridge Scheduler fires within the minute it says. ministack: looks every ten seconds. So it looks every
    second, and a schedule of a test may be short."""
    scheduler._SCHEDULE_TICK_INTERVAL = TICK_SECONDS
