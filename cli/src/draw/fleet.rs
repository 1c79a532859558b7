//! Draws one fleet: what it does, which release has the traffic, its rollback path, its groups, its cutover, its
//! drifted instances, and the rest.

use driftless_planner::ids::GroupName;
use driftless_planner::notification::command_about;
use driftless_planner::policy::Mode;
use driftless_status::cutover::RouteStatus;
use driftless_status::model::{FleetStatus, LayoutStatus, NextRequest, ReleaseStatus, Traffic};
use driftless_status::rollback_path::RollbackPathKind;

use super::page::{Page, blocked, clean, lasting};
use super::style::{Style, Tone};
use super::{cutover, drift, groups, summary};

const COLUMN: usize = 15;
/// The most entries of a list that are shown. The others are only counted.
const LISTED_MAX: usize = 5;

/// Draws a fleet.
pub fn fleet(status: &FleetStatus, style: Style) -> String {
    let mut page = Page::new(style, status.at);
    head(&mut page, status);
    rollback_path(&mut page, status);
    groups::groups(&mut page, &status.colors);
    if let Some(under_way) = &status.cutover {
        cutover::cutover(&mut page, under_way);
    }
    drift::drifted(&mut page, &status.drifted);
    quarantined(&mut page, status);
    freezes(&mut page, status);
    conditions(&mut page, status);
    next(&mut page, status);
    borrowed_settings(&mut page, status);
    images(&mut page, status);
    past(&mut page, status);
    policy(&mut page, status);
    page.finish()
}

fn head(page: &mut Page, status: &FleetStatus) {
    let mode = match status.mode {
        Some(Mode::Observe) => "observe: Driftless changes nothing",
        Some(Mode::Act) => "act",
        None => "unknown, because the policy is invalid",
    };
    let name = format!("{}  ", status.fleet);
    let at = format!("  {}", status.at.strftime("%Y-%m-%d %H:%M:%SZ"));
    let state = summary::state(status.state).to_uppercase();
    page.line(&[(Tone::Strong, &name), (summary::tone(status.state), &state), (Tone::Faint, &at)]);
    page.labeled("", 2, Tone::Plain, &clean(&status.says));
    page.gap();
    page.labeled("  mode", COLUMN, Tone::Plain, mode);
    let good = status.release.as_ref().map_or_else(
        || "unknown: the fleet is not adopted yet".to_owned(),
        |good| format!("{}, since {}", release(good), page.when(good.since)),
    );
    page.labeled("  last good", COLUMN, Tone::Plain, &good);
    if let Some(traffic) = traffic_now(status) {
        page.labeled("  traffic", COLUMN, Tone::Strong, &traffic);
    }
    match &status.layout {
        LayoutStatus::Pair => {}
        LayoutStatus::Single => {
            page.labeled("  layout", COLUMN, Tone::Plain, "a single group, replaced by instance refreshes");
        }
        LayoutStatus::Misconfigured { problem } => page.labeled("  layout", COLUMN, Tone::Bad, &clean(problem)),
    }
    let is_said = |text: &str| status.says.as_str().contains(text);
    if let Some(obstacle) = status.obstacle.as_ref().filter(|obstacle| !is_said(obstacle.as_str())) {
        page.labeled("  obstacle", COLUMN, Tone::Bad, &clean(obstacle));
    }
    if let Some(problem) = status.policy.problem.as_ref().filter(|problem| !is_said(problem.as_str())) {
        page.labeled("  policy", COLUMN, Tone::Bad, &clean(problem));
    }
}

/// A release as one line of text.
pub(crate) fn release(release: &ReleaseStatus) -> String {
    let build = release.build.as_ref().map(|build| format!("build {}, ", clean(build))).unwrap_or_default();
    format!("{} ({build}{})", release.image, groups::template(&release.template))
}

/// The release that has the traffic. None: it is the last good release alone.
fn traffic_now(status: &FleetStatus) -> Option<String> {
    let cutover = status.cutover.as_ref()?;
    let good = status.release.as_ref()?;
    if (&good.image, &good.template) != (&cutover.from.image, &cutover.from.template) {
        return None;
    }
    let build = cutover.build.as_ref().map(|build| format!(" (build {})", clean(build))).unwrap_or_default();
    let new = format!("{}{build}", cutover.image);
    if cutover.route == RouteStatus::Rolling {
        let percent = cutover.refreshed_percent.filter(|percent| *percent > 0)?;
        return Some(format!("{percent} % of the instances run {new}"));
    }
    let traffic_of = |group: &GroupName| status.colors.iter().find(|color| color.group == *group).map(|of| &of.traffic);
    match (traffic_of(&cutover.new_group)?, traffic_of(&cutover.old_group)) {
        (Traffic::Weighted { percent: Some(100), .. }, _) => {
            Some(format!("100 % on {new}, none on the last good release"))
        }
        (Traffic::Weighted { percent: Some(percent), .. }, _) if *percent > 0 => {
            Some(format!("{percent} % on {new}, the rest on the last good release"))
        }
        (Traffic::Attached, Some(Traffic::Attached)) => Some(format!("on {new} and on the last good release")),
        (Traffic::Attached, _) => Some(format!("on {new}, none on the last good release")),
        _ => None,
    }
}

/// Draws whether the fleet can roll back, to which release, and how fast. This is always printed, near the top.
fn rollback_path(page: &mut Page, status: &FleetStatus) {
    let way = &status.rollback_path;
    let (answer, tone) = match (way.is_open, way.kind) {
        (true, RollbackPathKind::UnderWay) => ("running", Tone::Strong),
        (true, _) => ("yes", Tone::Good),
        (false, RollbackPathKind::LaunchesFirst) => ("not yet", Tone::Warning),
        (false, _) => ("no", Tone::Warning),
    };
    page.labeled("  rollback", COLUMN, tone, &format!("{answer}: {}", clean(&way.says)));
    if let Some(to) = &way.to {
        page.labeled("", COLUMN, Tone::Plain, &format!("to {}", release(to)));
    }
    if let Some(seconds) = way.at_least_seconds {
        let least = lasting(jiff::SignedDuration::from_secs(seconds));
        page.labeled("", COLUMN, Tone::Plain, &format!("takes {least} of health checks, after the launches"));
    }
    if let Some(waits) = &way.waits {
        page.labeled("", COLUMN, Tone::Warning, &format!("would be {}", blocked(waits)));
    }
    for (label, command) in [("", &way.command), ("  continue", &status.go_on)] {
        if let Some(command) = command {
            page.labeled(label, COLUMN, Tone::Strong, &format!("$ {}", clean(command)));
        }
    }
}

fn quarantined(page: &mut Page, status: &FleetStatus) {
    if status.quarantined.is_empty() {
        return;
    }
    page.heading("QUARANTINED");
    for kept in &status.quarantined {
        let reasons: Vec<String> = kept.reasons.iter().map(clean).collect();
        let says = format!("until {}: {}", page.when(kept.until), reasons.join(", "));
        page.labeled(&format!("  {}", kept.instance), 24, Tone::Plain, &says);
    }
}

fn freezes(page: &mut Page, status: &FleetStatus) {
    if status.freezes.is_empty() {
        return;
    }
    page.heading("FROZEN");
    for freeze in &status.freezes {
        let thaw = if freeze.is_of_account {
            "driftless thaw --everything".to_owned()
        } else {
            command_about(&status.fleet, "thaw")
        };
        let until = freeze.until.map_or_else(|| format!("until `{thaw}`"), |at| format!("until {}", page.when(at)));
        let scope = if freeze.is_of_account { ", every fleet" } else { "" };
        let says = format!(
            "by {}, {until}{scope}, since {}: {}",
            clean(&freeze.owner),
            page.when(freeze.since),
            clean(&freeze.reason)
        );
        page.labeled("", 2, Tone::Warning, &says);
    }
}

fn conditions(page: &mut Page, status: &FleetStatus) {
    if status.conditions.is_empty() {
        return;
    }
    page.heading("CONDITIONS");
    for condition in &status.conditions {
        let told = if condition.announced_at.is_some() { "" } else { ", on-call is not notified yet" };
        page.labeled(
            "",
            2,
            Tone::Warning,
            &format!("{}, since {}{told}", clean(&condition.condition), page.when(condition.since)),
        );
        page.labeled("", 4, Tone::Plain, &clean(&condition.detail));
    }
}

fn next(page: &mut Page, status: &FleetStatus) {
    page.heading("NEXT");
    if let Some(requested) = &status.requested {
        page.labeled("  requested", COLUMN, Tone::Warning, &format!("{}: not started yet", clean(requested)));
    }
    for step in &status.next_steps {
        page.labeled("  action", COLUMN, Tone::Plain, &clean(&step.says));
    }
    if status.next_steps.is_empty() {
        page.labeled("  action", COLUMN, Tone::Plain, "none now");
    }
    let due = status.requeue_at.map_or_else(|| "at the next event or resync".to_owned(), |at| page.when(at));
    page.labeled("  next run", COLUMN, Tone::Plain, &due);
    let requeued = match status.next_request {
        NextRequest::Unknown => "unknown".to_owned(),
        NextRequest::None => "holds no request: an event or the periodic resync starts the next run".to_owned(),
        NextRequest::At { at } => format!("holds a request for {}", page.when(at)),
    };
    page.labeled("  queue", COLUMN, Tone::Plain, &requeued);
    if let Some(since) = status.in_progress_since {
        page.labeled("  in progress", COLUMN, Tone::Plain, &format!("since {}", page.when(since)));
    }
    if status.facts_filed > 0 {
        let stored = format!("{} stored events or commands are not applied yet", status.facts_filed);
        page.labeled("  stored", COLUMN, Tone::Plain, &stored);
    }
}

fn borrowed_settings(page: &mut Page, status: &FleetStatus) {
    if status.borrowed_settings.is_empty() {
        return;
    }
    page.heading("SETTINGS TO RESTORE");
    for entry in &status.borrowed_settings {
        page.labeled(
            "",
            2,
            Tone::Plain,
            &format!("{}, since {}: {}", clean(&entry.group), page.when(entry.since), clean(&entry.says)),
        );
    }
}

fn images(page: &mut Page, status: &FleetStatus) {
    if status.vetoes.is_empty() && status.deferred.is_empty() && status.refused.is_empty() {
        return;
    }
    page.heading("IMAGES THAT MAY NOT TAKE TRAFFIC");
    for veto in status.vetoes.iter().take(LISTED_MAX) {
        let evidence: Vec<String> = veto.evidence.iter().map(clean).collect();
        let says =
            format!("{}  vetoed by {} at {}: {}", veto.image, clean(&veto.by), page.when(veto.at), evidence.join("; "));
        page.labeled("", 2, Tone::Plain, &says);
    }
    for held in status.deferred.iter().take(LISTED_MAX) {
        let until = held.until.map_or_else(
            || format!("until `{}`", command_about(&status.fleet, "retry")),
            |at| format!("until {}", page.when(at)),
        );
        page.labeled(
            "",
            2,
            Tone::Plain,
            &format!("{}  deferred {until}: {}", clean(&held.candidate), clean(&held.why)),
        );
    }
    for refused in status.refused.iter().take(LISTED_MAX) {
        page.labeled("", 2, Tone::Plain, &format!("{}  refused: {}", refused.image, clean(&refused.why)));
    }
    let lists = [status.vetoes.len(), status.deferred.len(), status.refused.len()];
    let more: usize = lists.iter().map(|length| length.saturating_sub(LISTED_MAX)).sum();
    if more > 0 {
        page.line(&[(Tone::Faint, &format!("  and {more} more: --json shows all"))]);
    }
}

fn past(page: &mut Page, status: &FleetStatus) {
    if status.past.is_empty() {
        return;
    }
    page.heading("PAST CUTOVERS");
    for past in status.past.iter().take(LISTED_MAX) {
        let took = lasting(past.ended_at.duration_since(past.started_at));
        let says = format!("{}  {} after {took}: {}", past.image, clean(&past.outcome), clean(&past.why));
        page.labeled("", 2, Tone::Plain, &format!("{}  {says}", page.when(past.ended_at)));
    }
}

fn policy(page: &mut Page, status: &FleetStatus) {
    if status.policy.words.is_empty() {
        return;
    }
    page.heading("POLICY");
    for setting in &status.policy.words {
        page.labeled(&format!("  {}", clean(&setting.key)), 19, Tone::Plain, &clean(&setting.means));
    }
}
