//! docs/policy.md against the policy that is read.

use std::collections::{BTreeMap, BTreeSet};

use driftless_planner::policy::{Defaults, Policy, PolicyError};

/// The page, and its rows of policy keys: the keys of a row, and the cell with their default.
fn page() -> (String, Vec<(Vec<String>, String)>) {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md")).unwrap();
    let table = page.split_once("| key | default | meaning |").unwrap().1.split_once("\n\n").unwrap().0;
    let row = |line: &str| {
        let (keys, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let keys = keys.split("`, `").map(str::to_owned).collect();
        Some((keys, rest.split_once(" | ")?.0.to_owned()))
    };
    let rows = table.lines().filter_map(row).collect();
    (page, rows)
}

fn read(tags: &[(&str, &str)]) -> Result<Policy, PolicyError> {
    let tags = tags.iter().map(|(key, value)| (format!("driftless:{key}"), (*value).to_owned()));
    Policy::from_tags(&tags.collect::<BTreeMap<_, _>>(), &Defaults::default())
}

#[test]
fn each_key_of_the_page_is_known_and_has_the_default_that_the_page_says() {
    let (_, rows) = page();
    assert!(rows.len() > 15, "{rows:?}");
    let without = read(&[]).unwrap();
    for (keys, default) in rows {
        for key in &keys {
            let is_unknown = matches!(read(&[(key, "?")]), Err(PolicyError::UnknownKey { .. }));
            assert!(!is_unknown, "{key} is on the page, and no key");
            if let Some(value) = default.strip_prefix('`').and_then(|value| value.strip_suffix('`')) {
                assert_eq!(read(&[(key, value)]).as_ref(), Ok(&without), "the default of {key} is not {value}");
            }
        }
    }
    assert_eq!((without.rules.len(), without.alarms().count(), without.max_age), (0, 0, None));
    assert_eq!((without.min, without.max), (None, None));
}

/// The keys of the Terraform module are the planner's: a test beside the policy holds that.
#[test]
fn the_page_has_every_key_that_the_terraform_module_knows() {
    let (page, rows) = page();
    let earlier = page.split_once("## Earlier names").unwrap().1;
    let earlier: BTreeSet<&str> =
        earlier.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let shown: BTreeSet<&str> = rows.iter().flat_map(|(keys, _)| keys).map(String::as_str).collect();
    let module = include_str!("../../../../infra/fleet/policy.tf");
    let own = module.lines().filter(|line| line.contains("= { pattern ="));
    let elsewhere = module.split("policy_keys_elsewhere = {").nth(1).unwrap().split('}').next().unwrap();
    let keys =
        own.chain(elsewhere.lines().filter(|line| line.contains('='))).map(|line| line.split('=').next().unwrap());
    for key in keys.map(str::trim) {
        let is_elsewhere = ["fleet", "color", "protect"].contains(&key) && page.contains(&format!("`driftless:{key}`"));
        assert!(is_elsewhere || shown.contains(key) || earlier.contains(key), "{key} is not on the page");
    }
}
