"""What moto does differently from AWS, corrected: one function for each difference, one module for each service."""

from . import autoscaling, config, ec2, elbv2, iam, lookups


def apply() -> None:
    """Applies every correction to the moto of this process. Call it once, before moto serves."""
    for service in (ec2, elbv2, autoscaling, config, iam, lookups):
        for correction in service.CORRECTIONS:
            correction()
