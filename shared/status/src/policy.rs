//! What each key of a policy means for a fleet.

use std::fmt::Display;

use driftless_planner::policy::{Approval, Budget, ImageSourcePolicy, Mode, Policy, ReplaceBy};
use driftless_planner::text::UntrustedText;

use crate::model::{PolicySetting, PolicyStatus};

/// The meaning of each key of a policy, or why the policy is invalid.
pub(crate) fn policy(policy: &Result<Policy, UntrustedText>) -> PolicyStatus {
    match policy {
        Ok(policy) => PolicyStatus { problem: None, words: words(policy) },
        Err(problem) => PolicyStatus { problem: Some(problem.clone()), words: Vec::new() },
    }
}

fn words(policy: &Policy) -> Vec<PolicySetting> {
    let cutover = &policy.cutover;
    let bound = |bound: Option<u32>| bound.map_or_else(|| "the group's own".to_owned(), |bound| bound.to_string());
    let budget = match policy.budget {
        Budget::Count(count) => format!("at most {count} at once"),
        Budget::Share(share) => format!("at most {share} of the group at once"),
    };
    let max_age = policy
        .max_age
        .map_or_else(|| "none".to_owned(), |age| format!("instances older than {age:#} count as drifted"));
    let replace = match policy.replace {
        ReplaceBy::Surge => "the replacement instance is launched first",
        ReplaceBy::TerminateFirst => "the drifted instance is terminated first",
        ReplaceBy::Quarantine => {
            "the replacement instance is launched first, and the drifted instance is kept for forensics"
        }
    };
    let mode = match policy.mode {
        Mode::Observe => "observe: report what Driftless would do, and change nothing",
        Mode::Act => "act: replace drifted instances, and cut over to new images",
    };
    let source = match cutover.image_source {
        ImageSourcePolicy::Tag => "tag: an image that is tagged for the fleet starts a cutover",
        ImageSourcePolicy::Event => {
            "event: an image.published event of the pipeline starts a cutover; a tag alone does not"
        }
    };
    let approval = match cutover.approval {
        Approval::Auto => "no approval",
        Approval::Manual => "an operator approves before the new color gets traffic",
        Approval::Check => "a pipeline approves or rejects before the new color gets traffic",
    };
    let alarms = match &cutover.alarms {
        None => "no guard alarms are named".to_owned(),
        Some(alarms) if alarms.is_empty() => "no guard alarms: the tag is empty".to_owned(),
        Some(alarms) => listed(alarms, "; "),
    };
    let rules = if policy.rules.is_empty() { "none".to_owned() } else { listed(&policy.rules, "; ") };
    let words = [
        ("mode", mode.to_owned()),
        ("rules", rules),
        ("min", bound(policy.min)),
        ("max", bound(policy.max)),
        ("max-age", max_age),
        ("budget", budget),
        ("breaker", format!("stop replacing when more than {} of the instances drifted at once", policy.breaker)),
        ("debounce", format!("a drift must last {:#} before the instance is replaced", policy.debounce)),
        ("window", policy.window.to_string()),
        ("strategy", replace.to_owned()),
        ("min-healthy", format!("at least {} of the desired capacity stays healthy", policy.min_healthy)),
        ("launch-deadline", format!("{:#}", policy.launch_deadline)),
        ("drain-deadline", format!("{:#}", policy.drain_deadline)),
        ("image-source", source.to_owned()),
        ("weights", listed(&cutover.traffic, ", ")),
        (
            "step",
            format!("alarms are watched for {:#} after each step, longer where their period is longer", cutover.step),
        ),
        ("bake", format!("{:#} with all traffic on the new color", cutover.bake)),
        ("keep-warm", format!("the old color stays at full size without traffic for {:#}", cutover.keep_warm)),
        ("approval", approval.to_owned()),
        ("alarms", alarms),
    ];
    words.into_iter().map(|(key, means)| PolicySetting { key: key.to_owned(), means: means.into() }).collect()
}

fn listed<T: Display>(items: impl IntoIterator<Item = T>, between: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(between)
}
