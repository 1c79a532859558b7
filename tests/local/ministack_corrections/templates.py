"""Corrections of how ministack reads CloudFormation templates."""

from __future__ import annotations

import sys
from typing import Any

from ministack.services import lambda_svc
from ministack.services.cloudformation import engine, provisioners


def concurrency_may_be_a_parameter() -> None:
    """AWS: a parameter of type Number is a number. ministack: it stays a text, and the queue of an event source whose
    MaximumConcurrency is one is never polled. So it is read as a number."""
    limit_of = lambda_svc._sqs_esm_concurrency

    def sqs_esm_concurrency(esm: dict[str, Any], *others: Any, **named: Any) -> int:
        scaling = esm.get("ScalingConfig") or {}
        if "MaximumConcurrency" in scaling:
            esm = esm | {"ScalingConfig": scaling | {"MaximumConcurrency": int(scaling["MaximumConcurrency"])}}
        return limit_of(esm, *others, **named)

    lambda_svc._sqs_esm_concurrency = sqs_esm_concurrency


def alarms_may_calculate() -> None:
    """AWS: an alarm may watch an expression over several metrics. ministack: refuses the stack. So such an alarm is deployed on
    the first of its metrics; no metric of AWS's own services ever comes here, and it stays without data."""
    record_of = provisioners._cw_metric_alarm_record

    def metric_alarm_record(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        stats = [query["MetricStat"] for query in properties.get("Metrics") or [] if "MetricStat" in query]
        if not stats:
            return record_of(name, properties)
        plain = {key: value for key, value in properties.items() if key != "Metrics"}
        first = {"Period": stats[0]["Period"], "Statistic": stats[0]["Stat"]}
        return record_of(name, plain | stats[0]["Metric"] | first)

    provisioners._cw_metric_alarm_record = metric_alarm_record


def conditions_may_join() -> None:
    """AWS: a condition may compare a Fn::Join. ministack: compares the function's own source text, so the condition has
    the wrong value. So joins are resolved before conditions are evaluated."""
    evaluate = engine._evaluate_conditions

    def evaluate_conditions(template: dict[str, Any], params: dict[str, Any]) -> dict[str, bool]:
        return evaluate(template | {"Conditions": _joined(template.get("Conditions", {}), params)}, params)

    for module in [module for name, module in sys.modules.items() if name.startswith("ministack.services.cloudformation")]:
        if getattr(module, "_evaluate_conditions", None) is evaluate:
            module._evaluate_conditions = evaluate_conditions


def _joined(node: Any, params: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_joined(item, params) for item in node]
    if not isinstance(node, dict):
        return node
    if "Fn::Join" not in node:
        return {key: _joined(value, params) for key, value in node.items()}
    separator, items = node["Fn::Join"]
    return separator.join(str(value) for item in _as_list(items, params) for value in _as_list(item, params))


def _as_list(item: Any, params: dict[str, Any]) -> list[Any]:
    """A list parameter is one string with commas here."""
    if isinstance(item, dict) and item.get("Ref") in params:
        return str(params[item["Ref"]]["Value"]).split(",")
    return item if isinstance(item, list) else [item]
