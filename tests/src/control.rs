//! Settings of the emulated fleets that a test changes through moto's control endpoint.

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

/// Durations and API behavior from now on. None: unchanged.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Settings {
    /// From the launch to `InService`.
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

/// The behavior of `LaunchInstances`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchInstances {
    Available,
    /// The endpoint does not know it.
    Absent,
    /// It returns an error for insufficient capacity.
    NoCapacity,
}

/// Targets of the load balancer.
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

    /// Changes durations. Changes under way keep theirs.
    pub async fn set(&self, settings: &Settings) -> anyhow::Result<()> {
        self.post("settings", &serde_json::to_value(settings)?).await
    }

    /// Sets the compliance of an instance with a rule in AWS Config.
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

/// The compliance type as AWS Config writes it.
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
