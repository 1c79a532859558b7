//! AWS Config: the instances that break a rule now.

#[cfg(test)]
mod codes;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_config::operation::get_compliance_details_by_config_rule::GetComplianceDetailsByConfigRuleError;
use aws_sdk_config::types::{ComplianceType, EvaluationResult};
use driftless_planner::drift::LARGE_READING_KEPT;
use driftless_planner::ids::{InstanceId, RuleName};
use driftless_planner::observation::{Finding, RuleReading};
use driftless_reconciler::ports::{CallResult, Clock as _, Compliance};
use jiff::Timestamp;

use crate::aws::Aws;
use crate::error::{call_error, required};
use crate::time::timestamp;

const GET_DETAILS: &str = "config:GetComplianceDetailsByConfigRule";

/// The largest number of results on one page.
const PAGE: u8 = 100;

/// The readings of rules with more findings than fit on one page. Each is kept as long as it may be reused.
#[derive(Debug, Default)]
pub(crate) struct LargeReadings(Mutex<BTreeMap<RuleName, (Timestamp, RuleReading)>>);

impl LargeReadings {
    /// The stored reading of a rule, unless it is too old.
    fn get(&self, rule: &RuleName, now: Timestamp) -> Option<RuleReading> {
        let mut kept = self.lock();
        kept.retain(|_, (read_at, _)| now < *read_at + LARGE_READING_KEPT);
        kept.get(rule).map(|(_, reading)| reading.clone())
    }

    fn keep(&self, rule: &RuleName, read_at: Timestamp, reading: &RuleReading) {
        self.lock().insert(rule.clone(), (read_at, reading.clone()));
    }

    /// Locks the map, even after a panic while the lock was held: the panic has been reported, and the map is still
    /// consistent.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<RuleName, (Timestamp, RuleReading)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Compliance for Aws {
    async fn non_compliant(&self, rule: &RuleName) -> CallResult<RuleReading> {
        // Taken before the first page: a finding on it may change while later pages are read.
        let read_at = self.now();
        if let Some(reading) = self.large_readings.get(rule, read_at) {
            return Ok(reading);
        }
        let request = self
            .compliance()
            .get_compliance_details_by_config_rule()
            .config_rule_name(rule.as_str())
            .compliance_types(ComplianceType::NonCompliant);
        let pages = request.into_paginator().page_size(PAGE.into()).items().send();
        let results = match pages.collect::<Result<Vec<EvaluationResult>, _>>().await {
            Ok(results) => results,
            Err(error) => {
                let is_missing = error
                    .as_service_error()
                    .is_some_and(GetComplianceDetailsByConfigRuleError::is_no_such_config_rule_exception);
                return if is_missing { Ok(RuleReading::NoSuchRule) } else { Err(call_error(GET_DETAILS, error)) };
            }
        };
        let mut findings: BTreeMap<InstanceId, Finding> = BTreeMap::new();
        for result in &results {
            let Some((instance, finding)) = finding(result)? else { continue };
            // A rule on patches or associations evaluates one instance several times: the latest result counts.
            match findings.get(&instance) {
                Some(known) if known.recorded_at >= finding.recorded_at => {}
                Some(_) | None => {
                    findings.insert(instance, finding);
                }
            }
        }
        let reading = RuleReading::NonCompliant(findings);
        if results.len() > PAGE.into() {
            self.large_readings.keep(rule, read_at, &reading);
        }
        Ok(reading)
    }
}

/// The finding in one evaluation result. None: the resource is not an EC2 instance, but a volume or a managed node
/// outside EC2.
fn finding(result: &EvaluationResult) -> CallResult<Option<(InstanceId, Finding)>> {
    let identifier = required(GET_DETAILS, "EvaluationResultIdentifier", result.evaluation_result_identifier())?;
    let qualifier = identifier.evaluation_result_qualifier();
    let qualifier = required(GET_DETAILS, "EvaluationResultQualifier", qualifier)?;
    let resource = required(GET_DETAILS, "ResourceId", qualifier.resource_id())?;
    // Resource ids of inventories and patches carry a prefix: `AWS::SSM::ManagedInstanceInventory/i-…`.
    let id = resource.rsplit('/').next().unwrap_or(resource);
    let Ok(instance) = id.parse() else { return Ok(None) };
    let recorded_at = timestamp(GET_DETAILS, "ResultRecordedTime", result.result_recorded_time())?;
    Ok(Some((instance, Finding { recorded_at, annotation: result.annotation().map(Into::into) })))
}

#[cfg(test)]
mod tests {
    use aws_sdk_config::Client;
    use aws_sdk_config::operation::get_compliance_details_by_config_rule::GetComplianceDetailsByConfigRuleOutput;
    use aws_sdk_config::types::{EvaluationResultIdentifier, EvaluationResultQualifier};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_types::DateTime;

    use super::*;
    use crate::aws::testing::with_compliance;

    fn result(resource: &str, seconds: i64, annotation: Option<&str>) -> EvaluationResult {
        let qualifier = EvaluationResultQualifier::builder().resource_id(resource).build();
        let identifier = EvaluationResultIdentifier::builder().evaluation_result_qualifier(qualifier).build();
        EvaluationResult::builder()
            .evaluation_result_identifier(identifier)
            .compliance_type(ComplianceType::NonCompliant)
            .result_recorded_time(DateTime::from_secs(seconds))
            .set_annotation(annotation.map(str::to_owned))
            .build()
    }

    #[tokio::test]
    async fn all_pages_are_read_and_the_latest_result_for_an_instance_counts() {
        let rule = mock!(Client::get_compliance_details_by_config_rule)
            .match_requests(|request| {
                request.config_rule_name() == Some("approved-amis")
                    && request.compliance_types() == [ComplianceType::NonCompliant]
                    && request.limit() == Some(100)
            })
            .then_compute_output(|request| {
                let answer = GetComplianceDetailsByConfigRuleOutput::builder();
                if request.next_token().is_none() {
                    answer
                        .evaluation_results(result("i-0aa11bb22cc33dd44", 20, Some("new")))
                        .evaluation_results(result("AWS::SSM::ManagedInstanceInventory/i-0aa11bb22cc33dd45", 5, None))
                        .next_token("more")
                        .build()
                } else {
                    answer
                        .evaluation_results(result("i-0aa11bb22cc33dd44", 10, Some("old")))
                        .evaluation_results(result("mi-0aa11bb22cc33dd44", 10, None))
                        .evaluation_results(result("vol-0aa11bb22cc33dd44", 10, None))
                        .build()
                }
            });
        let client = mock_client!(aws_sdk_config, RuleMode::MatchAny, [&rule]);
        let reading = with_compliance(client).non_compliant(&"approved-amis".parse().unwrap()).await.unwrap();
        let RuleReading::NonCompliant(findings) = reading else { panic!("{reading:?}") };
        let seen: Vec<(&str, i64, Option<&str>)> = findings
            .iter()
            .map(|(id, finding)| {
                let annotation = finding.annotation.as_ref().map(driftless_planner::text::UntrustedText::as_str);
                (id.as_str(), finding.recorded_at.as_second(), annotation)
            })
            .collect();
        assert_eq!(seen, [("i-0aa11bb22cc33dd44", 20, Some("new")), ("i-0aa11bb22cc33dd45", 5, None)]);
    }

    fn rule() -> RuleName {
        "approved-amis".parse().unwrap()
    }

    /// The number of calls to AWS Config that two readings of a rule with `count` findings make.
    async fn calls_for_two_readings(count: u64) -> usize {
        let large = mock!(Client::get_compliance_details_by_config_rule).then_output(move || {
            let all = (0..count).map(|number| result(&format!("i-{number:017x}"), 20, None)).collect();
            GetComplianceDetailsByConfigRuleOutput::builder().set_evaluation_results(Some(all)).build()
        });
        let aws = with_compliance(mock_client!(aws_sdk_config, RuleMode::MatchAny, [&large]));
        let first = aws.non_compliant(&rule()).await.unwrap();
        assert_eq!(aws.non_compliant(&rule()).await.unwrap(), first);
        large.num_calls()
    }

    #[tokio::test]
    async fn only_a_reading_of_several_pages_is_reused() {
        assert_eq!(calls_for_two_readings(99).await, 2);
        assert_eq!(calls_for_two_readings(100).await, 2);
        assert_eq!(calls_for_two_readings(101).await, 1);
    }

    #[test]
    fn a_reading_is_used_again_for_ten_seconds_and_no_moment_longer() {
        let (kept, read_at) = (LargeReadings::default(), Timestamp::from_second(1_795_201_430).unwrap());
        kept.keep(&rule(), read_at, &RuleReading::NonCompliant(BTreeMap::new()));
        let millisecond = jiff::SignedDuration::from_millis(1);
        for (age, is_used) in [
            (LARGE_READING_KEPT - millisecond, true),
            (LARGE_READING_KEPT, false),
            (LARGE_READING_KEPT - millisecond, false),
        ] {
            assert_eq!(kept.get(&rule(), read_at + age).is_some(), is_used, "{age:#}");
        }
        kept.keep(&rule(), read_at, &RuleReading::NonCompliant(BTreeMap::new()));
        assert_eq!(kept.get(&"another".parse().unwrap(), read_at), None);
    }
}
