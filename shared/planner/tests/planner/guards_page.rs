//! The lists of guards as `explain` tells them, and the page that shows them.

use std::collections::BTreeSet;

use driftless_planner::answer::CheckResult;
use driftless_planner::explain::Explanation;
use driftless_planner::fleet::Color;
use driftless_planner::waiting::{GuardId, Waiting};
use driftless_testkit::{Stage, id, mins};
use strum::VariantArray;

use crate::cutover::weighted_fleet;

/// The rows of the tables of a page: the name in the first column, and what stands beside it.
fn rows(text: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let (name, beside) = line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")?;
        Some((name.to_owned(), beside.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

fn told(verdicts: &[CheckResult<GuardId, Waiting>]) -> Vec<(String, String)> {
    verdicts.iter().map(|verdict| (verdict.id.to_string(), verdict.asks.to_owned())).collect()
}

fn of_replacement(explained: &Explanation) -> Vec<(String, String)> {
    told(&explained.verdicts[&id(1)])
}

#[test]
fn the_page_of_guards_shows_each_list_in_its_order_and_every_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guards.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (page, earlier) = page.split_once("## Earlier names").unwrap();
    let rows_of_page = rows(page);
    let replacement = of_replacement(&Stage::drifted(4, &[1]).explain());
    let mut queued = weighted_fleet(3);
    queued.account.slots.extend(["one", "two", "three"].map(|other| (other.parse().unwrap(), queued.now)));
    queued.publish(2);
    queued.steps(2, mins(1));
    let cutover = told(&queued.explain().cutover_verdicts);
    let (of_lists, of_phases) = rows_of_page.split_at(replacement.len() + cutover.len());
    assert_eq!(of_lists, [replacement, cutover].concat());
    let names = |rows: &[(String, String)]| rows.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert!(names(of_lists).is_disjoint(&names(of_phases)));
    assert_eq!(names(&rows_of_page), GuardId::VARIANTS.iter().map(ToString::to_string).collect());
    for (word, also) in rows(earlier) {
        let means = GuardId::VARIANTS.iter().filter(|guard| guard.earlier_word() == Some(word.as_str()));
        assert_eq!(also, means.map(|guard| format!("`{guard}`")).collect::<Vec<_>>().join(", "), "{word}");
    }
    assert_eq!(
        rows(earlier).len(),
        GuardId::VARIANTS.iter().filter_map(|guard| guard.earlier_word()).collect::<BTreeSet<_>>().len()
    );
}

#[test]
fn each_guard_of_a_list_has_a_name_of_its_own_and_no_policy_makes_the_list_shorter() {
    let valid = Stage::drifted(4, &[1]);
    let list = of_replacement(&valid.explain());
    assert_eq!(list.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), list.len());
    assert!(list.iter().any(|(name, _)| *name == GuardId::Member.to_string()));
    let mut invalid = valid;
    invalid.tag("debounce", "soon");
    assert_eq!(of_replacement(&invalid.explain()), list);
}

#[test]
fn each_check_of_a_preflight_and_of_an_image_has_a_name_of_its_own() {
    let mut stage = weighted_fleet(3);
    stage.go_into_alarm("web-5xx", Some(Color::Blue));
    stage.publish(2);
    stage.steps(3, mins(1));
    let explained = stage.explain();
    let checks: BTreeSet<_> = explained.preflight_verdicts.iter().map(|verdict| verdict.id).collect();
    assert_eq!((checks.len(), explained.preflight_verdicts.len()), (7, 7));
    let of_image = explained.image_verdicts.values().next().unwrap();
    assert_eq!(of_image.iter().map(|verdict| verdict.id).collect::<BTreeSet<_>>().len(), of_image.len());
}
