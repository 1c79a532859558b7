"""What moto looks up anew for each request though it never changes: a quarter of the time that a request takes."""

from __future__ import annotations

from functools import cache

from moto import backends
from moto.core import responses


def services_are_listed_once() -> None:
    """moto: lists its own folder to tell a service from a host name."""
    listing = backends.list_of_moto_modules
    backends.list_of_moto_modules = cache(lambda: tuple(listing()))


def actions_are_listed_once() -> None:
    """moto: inspects the class of a service for the actions that it has."""
    responses.method_names_from_class = cache(responses.method_names_from_class)


CORRECTIONS = (services_are_listed_once, actions_are_listed_once)
