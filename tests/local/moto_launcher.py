"""Serves the fleet half of the local AWS (EC2, Auto Scaling, Elastic Load Balancing, Config) on a loopback port."""

from __future__ import annotations

import argparse
import logging
import os
import warnings

import lifeline


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--account", default="123456789012", help="every access key belongs to this account")
    return parser.parse_args()


def serve(port: int, account: str) -> None:
    """Serves until the process ends. moto reads its environment at import, hence the imports here."""
    # No public images: no test needs them, and each reset would load hundreds.
    os.environ.update(MOTO_ACCOUNT_ID=account, MOTO_PORT=str(port), MOTO_EC2_LOAD_DEFAULT_AMIS="false")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    import moto_corrections
    from moto_corrections.control import Control

    moto_corrections.apply()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # AWS itself answers with codes that its models do not name, ValidationError first of all.
    warnings.filterwarnings("ignore", message=".*does not match an error shape")
    app = Control(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler)
    lifeline.announce_ready()
    server.serve_forever()


if __name__ == "__main__":
    arguments = parse_arguments()
    lifeline.end_with_parent()
    serve(arguments.port, arguments.account)
