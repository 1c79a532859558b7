//! What a test may change about the emulated fleets while they run: moto's control endpoint.

use std::time::Duration;

use driftless_planner::fact::ComplianceType;
use serde::Serialize;
use serde_json::{Value, json};

use crate::http;

/// The control endpoint of moto.
#[derive(Debug, Clone)]
pub struct Control {
    endpoint: String,
}

/// How long things take from now on, and which API there is. What is None stays as it is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Settings {
    /// From launch to `InService`.
    #[serde(rename = "launch_seconds", serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub launch: Option<Duration>,
    /// From `InService` to a healthy target.
    #[serde(rename = "healthy_seconds", serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub healthy: Option<Duration>,
    /// From the termination until the instance is gone.
    #[serde(rename = "drain_seconds", serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub drain: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_instances: Option<LaunchInstances>,
}

/// What `LaunchInstances` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchInstances {
    Available,
    /// The endpoint does not know it.
    Absent,
    /// It answers that there is no capacity.
    NoCapacity,
}

/// Which targets of the load balancer are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets<'a> {
    Instance(&'a str),
    /// Every target of a target group, by its ARN.
    Group(&'a str),
    All,
}

impl Control {
    pub(crate) const fn new(endpoint: String) -> Self {
        Self { endpoint }
    }

    /// The URL of moto.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Changes how long things take. What is under way keeps its times.
    pub async fn set(&self, settings: &Settings) -> anyhow::Result<()> {
        self.post("settings", &serde_json::to_value(settings)?).await
    }

    /// Makes AWS Config say this of an instance under a rule, until it says something else.
    pub async fn set_compliance(
        &self,
        instance: &str,
        rule: &str,
        verdict: ComplianceType,
        annotation: Option<&str>,
    ) -> anyhow::Result<()> {
        let mut entry = json!({
            "rule": rule,
            "resourceType": "AWS::EC2::Instance",
            "resourceId": instance,
            "compliance": compliance_type(verdict),
        });
        if let (Some(entry), Some(annotation)) = (entry.as_object_mut(), annotation) {
            entry.insert("annotation".to_owned(), annotation.into());
        }
        self.post("compliance", &json!([entry])).await
    }

    /// Makes health checks of targets fail.
    pub async fn fail_health_checks(&self, targets: Targets<'_>) -> anyhow::Result<()> {
        self.override_target_health(targets, json!("unhealthy")).await
    }

    /// Makes health checks of targets pass again.
    pub async fn pass_health_checks(&self, targets: Targets<'_>) -> anyhow::Result<()> {
        self.override_target_health(targets, Value::Null).await
    }

    /// Empties the account and restores the default settings.
    pub(crate) async fn reset(&self) -> anyhow::Result<()> {
        self.post("reset", &json!({})).await
    }

    async fn override_target_health(&self, targets: Targets<'_>, state: Value) -> anyhow::Result<()> {
        let (key, subject) = match targets {
            Targets::Instance(id) => ("instanceId", id),
            Targets::Group(arn) => ("targetGroupArn", arn),
            Targets::All => ("instanceId", "*"),
        };
        self.post("target-health", &json!({key: subject, "state": state})).await
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        http::post(&format!("{}/driftless/{path}", self.endpoint), &[], body).await?;
        Ok(())
    }
}

/// The verdict, as AWS Config writes it.
pub(crate) const fn compliance_type(verdict: ComplianceType) -> &'static str {
    match verdict {
        ComplianceType::Compliant => "COMPLIANT",
        ComplianceType::NonCompliant => "NON_COMPLIANT",
        ComplianceType::NotApplicable => "NOT_APPLICABLE",
    }
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
fn seconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}
