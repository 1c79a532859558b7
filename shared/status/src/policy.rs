//! A policy in words.

use std::fmt::Display;

use driftless_planner::policy::{Approval, Budget, ImageSourcePolicy, Mode, Policy, ReplaceBy};
use driftless_planner::text::UntrustedText;

use crate::model::{PolicyStatus, PolicyWords};

/// What a policy means, key by key, or why it is invalid.
pub(crate) fn policy(policy: &Result<Policy, UntrustedText>) -> PolicyStatus {
    match policy {
        Ok(policy) => PolicyStatus { problem: None, words: words(policy) },
        Err(problem) => PolicyStatus { problem: Some(problem.clone()), words: Vec::new() },
    }
}

fn words(policy: &Policy) -> Vec<PolicyWords> {
    let cutover = &policy.cutover;
    let bound = |bound: Option<u32>| bound.map_or_else(|| "as found".to_owned(), |bound| bound.to_string());
    let budget = match policy.budget {
        Budget::Count(count) => format!("{count} at once"),
        Budget::Share(share) => format!("{share} of the group at once"),
    };
    let max_age = policy.max_age.map_or_else(|| "none".to_owned(), |age| format!("older than {age:#} is drifted"));
    let replace = match policy.replace {
        ReplaceBy::Surge => "the successor comes first",
        ReplaceBy::TerminateFirst => "the drifted one goes first",
        ReplaceBy::Quarantine => "the successor comes first, and the drifted one is kept for forensics",
    };
    let mode = match policy.mode {
        Mode::Observe => "detect and say what would be done; change nothing",
        Mode::Act => "replace what drifts, and cut over to new images",
    };
    let source = match cutover.image_source {
        ImageSourcePolicy::Tag => "an image that is tagged for the fleet",
        ImageSourcePolicy::Event => "an image that the pipeline announces; a tag only proposes",
    };
    let approval = match cutover.approval {
        Approval::Auto => "none is asked for",
        Approval::Manual => "a person approves before the first traffic",
        Approval::Check => "a pipeline gives its verdict before the first traffic",
    };
    let alarms = match &cutover.alarms {
        None => "none are named".to_owned(),
        Some(alarms) if alarms.is_empty() => "none, as its tag says".to_owned(),
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
        ("breaker", format!("more than {} drifted at once have a common cause", policy.breaker)),
        ("debounce", format!("a drift must last {:#}", policy.debounce)),
        ("window", policy.window.to_string()),
        ("strategy", replace.to_owned()),
        ("min-healthy", format!("{} of the desired capacity", policy.min_healthy)),
        ("launch-deadline", format!("{:#}", policy.launch_deadline)),
        ("drain-deadline", format!("{:#}", policy.drain_deadline)),
        ("image-source", source.to_owned()),
        ("weights", listed(&cutover.traffic, ", ")),
        ("step", format!("each is watched for {:#} or longer, as its alarms need", cutover.step)),
        ("bake", format!("{:#} at all of the traffic", cutover.bake)),
        ("keep-warm", format!("{:#} at full size, out of traffic", cutover.keep_warm)),
        ("approval", approval.to_owned()),
        ("alarms", alarms),
    ];
    words.into_iter().map(|(key, means)| PolicyWords { key: key.to_owned(), means: means.into() }).collect()
}

fn listed<T: Display>(items: impl IntoIterator<Item = T>, between: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(between)
}
