"""Corrections of moto's AWS Config: reading compliance, which a test writes through the control endpoint."""

from __future__ import annotations

import json
import time
from typing import Any

from moto.config.exceptions import InvalidNextTokenException, NoSuchConfigRuleException
from moto.config.models import Scope
from moto.config.responses import ConfigResponse

COMPLIANCE_TYPES = ("COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE", "INSUFFICIENT_DATA")
RULES_PER_PAGE = 25

Evaluations = dict[tuple[str, str], dict[str, Any]]
evaluations: dict[str, Evaluations] = {}
"""Rule → (resource type, resource id) → the latest result, in the words of the API."""


def record(entry: dict[str, Any]) -> None:
    """Takes over one result of a rule, replacing the one before of the same resource."""
    if entry["compliance"] not in COMPLIANCE_TYPES:
        raise ValueError(f"compliance must be one of {', '.join(COMPLIANCE_TYPES)}")
    now = time.time()
    qualifier = {
        "ConfigRuleName": entry["rule"],
        "ResourceType": entry["resourceType"],
        "ResourceId": entry["resourceId"],
    }
    result = {
        "EvaluationResultIdentifier": {"EvaluationResultQualifier": qualifier, "OrderingTimestamp": now},
        "ComplianceType": entry["compliance"],
        "ResultRecordedTime": now,
        "ConfigRuleInvokedTime": now,
    }
    if entry.get("annotation"):
        result["Annotation"] = entry["annotation"]
    evaluations.setdefault(entry["rule"], {})[(entry["resourceType"], entry["resourceId"])] = result


def compliance_details_can_be_read() -> None:
    """AWS: GetComplianceDetailsByConfigRule pages through the results of a rule. moto: 500. So it answers what was
    recorded by `record`."""

    def get_compliance_details_by_config_rule(self: ConfigResponse) -> str:
        rule = self._get_param("ConfigRuleName")
        _refuse_unknown(self, rule)
        wanted = self._get_param("ComplianceTypes") or ("COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE")
        results = [r for r in evaluations.get(rule, {}).values() if r["ComplianceType"] in wanted]
        page, next_token = _page(results, self._get_param("NextToken"), self._get_param("Limit") or 10)
        return json.dumps({"EvaluationResults": page, **next_token})

    ConfigResponse.get_compliance_details_by_config_rule = get_compliance_details_by_config_rule


def rule_compliance_can_be_read() -> None:
    """AWS: DescribeComplianceByConfigRule sums up each rule. moto: 500. So it sums up what was recorded by `record`."""

    def describe_compliance_by_config_rule(self: ConfigResponse) -> str:
        names = self._get_param("ConfigRuleNames") or sorted({*self.config_backend.config_rules, *evaluations})
        for name in names:
            _refuse_unknown(self, name)
        wanted = self._get_param("ComplianceTypes") or COMPLIANCE_TYPES
        rows = [{"ConfigRuleName": name, "Compliance": _summary(name)} for name in names]
        rows = [row for row in rows if row["Compliance"]["ComplianceType"] in wanted]
        page, next_token = _page(rows, self._get_param("NextToken"), RULES_PER_PAGE)
        return json.dumps({"ComplianceByConfigRules": page, **next_token})

    ConfigResponse.describe_compliance_by_config_rule = describe_compliance_by_config_rule


def rules_keep_the_tag_of_their_scope() -> None:
    """AWS: a rule answers the tag that its scope was given. moto: keeps it, and answers without. So it is noted under
    the names that the answer is made of."""
    initialise = Scope.__init__

    def initialise_with_tag(self: Scope, *args: Any, **kwargs: Any) -> None:
        initialise(self, *args, **kwargs)
        self.tag_key, self.tag_value = next(iter((self.tags or {}).items()), (None, None))

    Scope.__init__ = initialise_with_tag


def _refuse_unknown(request: ConfigResponse, rule: str) -> None:
    if rule not in request.config_backend.config_rules and rule not in evaluations:
        raise NoSuchConfigRuleException(rule)


def _summary(rule: str) -> dict[str, Any]:
    types = [result["ComplianceType"] for result in evaluations.get(rule, {}).values()]
    failed = types.count("NON_COMPLIANT")
    if failed:
        count = {"CappedCount": min(failed, 25), "CapExceeded": failed > 25}
        return {"ComplianceType": "NON_COMPLIANT", "ComplianceContributorCount": count}
    return {"ComplianceType": "COMPLIANT" if "COMPLIANT" in types else "INSUFFICIENT_DATA"}


def _page(rows: list[Any], token: str | None, limit: int) -> tuple[list[Any], dict[str, str]]:
    if token and not token.isdecimal():
        raise InvalidNextTokenException()
    start = int(token or 0)
    end = start + limit
    return rows[start:end], {"NextToken": str(end)} if end < len(rows) else {}


CORRECTIONS = (compliance_details_can_be_read, rule_compliance_can_be_read, rules_keep_the_tag_of_their_scope)
