//! Tags under their earlier names: `replace` of `strategy`, `traffic` of `weights`, `metrics-trail` of `metrics-delay`.

use std::collections::BTreeMap;

use driftless_planner::policy::{Defaults, Policy, PolicyError, ReplaceBy, agreement};
use driftless_testkit::{Stage, mins, pair};
use jiff::SignedDuration;

/// The earlier name, the name, a value, the same value written otherwise, and another value.
const RENAMED: [(&str, &str, &str, &str, &str); 3] = [
    ("replace", "strategy", "quarantine", "quarantine", "surge"),
    ("traffic", "weights", "50,100", "50, 100", "10,50,100"),
    ("metrics-trail", "metrics-delay", "5m", "300s", "1m"),
];

fn tags(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
    tags.iter().map(|(key, value)| (format!("driftless:{key}"), (*value).to_owned())).collect()
}

fn policy(of: &[(&str, &str)]) -> Result<Policy, PolicyError> {
    Policy::from_tags(&tags(of), &Defaults::default())
}

#[test]
fn an_earlier_name_sets_what_the_name_sets() {
    for (earlier, name, value, _, _) in RENAMED {
        let read = policy(&[(earlier, value)]).unwrap();
        assert_eq!(Ok(&read), policy(&[(name, value)]).as_ref(), "{earlier}");
        assert_ne!(Ok(&read), policy(&[]).as_ref(), "{earlier}={value} changes the default");
    }
}

#[test]
fn both_names_on_one_group_with_the_same_value_are_accepted() {
    for (earlier, name, value, otherwise, _) in RENAMED {
        for (first, second) in [(value, value), (value, otherwise), (otherwise, value)] {
            let both = policy(&[(earlier, first), (name, second)]);
            assert_eq!(both, policy(&[(name, value)]), "{earlier}={first} {name}={second}");
        }
    }
}

#[test]
fn both_names_on_one_group_with_different_values_make_the_policy_invalid() {
    for (earlier, name, value, _, other) in RENAMED {
        assert_eq!(
            policy(&[(earlier, value), (name, other)]).unwrap_err().to_string(),
            format!(
                "driftless:{earlier} is {value:?} and driftless:{name} is {other:?}: both name the same setting and must \
                 have the same value"
            )
        );
    }
    // A value that cannot be read is not the value under the other name.
    let error = policy(&[("replace", "surgee"), ("strategy", "surge")]).unwrap_err();
    assert!(matches!(error, PolicyError::TwoValues { .. }), "{error}");
}

#[test]
fn a_value_that_cannot_be_read_is_reported_under_the_name_that_the_group_has() {
    for (earlier, name, ..) in RENAMED {
        for written in [earlier, name] {
            let error = policy(&[(written, "?")]).unwrap_err().to_string();
            assert!(error.starts_with(&format!(r#"driftless:{written} is "?": "#)), "{error}");
        }
        let error = policy(&[(earlier, "?"), (name, "?")]).unwrap_err().to_string();
        assert!(error.starts_with(&format!(r#"driftless:{name} is "?": "#)), "{error}");
    }
}

#[test]
fn the_groups_of_a_pair_agree_under_either_name_when_the_value_is_the_same() {
    for (earlier, name, value, otherwise, _) in RENAMED {
        for (blue, green) in [(earlier, name), (name, earlier), (earlier, earlier), (name, name)] {
            for written in [value, otherwise] {
                let agreed = agreement(&tags(&[(blue, value)]), &tags(&[(green, written)]));
                assert_eq!(agreed, Ok(()), "{blue}={value} and {green}={written}");
            }
        }
        let both = tags(&[(earlier, value), (name, otherwise)]);
        assert_eq!(agreement(&both, &tags(&[(name, value)])), Ok(()));
        assert_eq!(agreement(&tags(&[(earlier, otherwise)]), &both), Ok(()));
    }
}

#[test]
fn the_groups_of_a_pair_disagree_under_either_name_when_the_values_differ() {
    let error = agreement(&tags(&[("traffic", "50,100")]), &tags(&[("weights", "100")])).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"driftless:traffic is "50,100" on the blue group and driftless:weights is "100" on the green one: both must agree"#
    );
    let error = agreement(&tags(&[]), &tags(&[("replace", "surge")])).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"driftless:replace is absent on the blue group and "surge" on the green one: both must agree"#
    );
    for (earlier, name, value, _, other) in RENAMED {
        for (blue, green) in [(earlier, name), (name, earlier), (earlier, earlier), (name, name)] {
            let error = agreement(&tags(&[(blue, value)]), &tags(&[(green, other)])).unwrap_err().to_string();
            for part in [blue, green, &format!("{value:?}"), &format!("{other:?}")] {
                assert!(error.contains(part), "{part} is missing: {error}");
            }
        }
    }
}

#[test]
fn a_group_of_a_pair_with_two_values_for_one_setting_is_named_as_such() {
    for (earlier, name, value, _, other) in RENAMED {
        let both = tags(&[(earlier, value), (name, other)]);
        for (blue, green) in [(&both, &tags(&[(name, other)])), (&tags(&[(name, other)]), &both), (&both, &both)] {
            let error = agreement(blue, green).unwrap_err();
            let expected = policy(&[(earlier, value), (name, other)]).unwrap_err();
            assert_eq!(error, expected, "as on a single group");
        }
    }
}

#[test]
fn a_pair_with_different_values_under_two_names_has_an_invalid_policy_and_recovers_when_they_agree() {
    let mut stage = Stage::colored(pair(3), &[("blue", 100), ("green", 0)]);
    stage.drift(1);
    stage.reconcile();
    stage.told.clear();
    stage.tag("replace", "surge");
    stage.groups[1].tags.remove("driftless:replace");
    stage.groups[1].tags.insert("driftless:strategy".to_owned(), "quarantine".to_owned());
    stage.wait(mins(10));
    stage.settle();
    assert!(stage.acted.is_empty());
    assert_eq!(stage.kinds(), ["entered policy-invalid"]);
    stage.groups[1].tags.insert("driftless:strategy".to_owned(), "surge".to_owned());
    stage.settle_clean(3);
    assert!(!stage.acted.is_empty(), "the drifted instance was replaced");
}

#[test]
fn the_defaults_of_the_stack_take_both_names_by_the_same_rule() {
    for (earlier, name, value, otherwise, other) in RENAMED {
        let read = |lines: &str| Policy::from_tags(&BTreeMap::new(), &lines.parse::<Defaults>().unwrap());
        let expected = policy(&[(name, value)]);
        assert_eq!(read(&format!("{earlier}={value}")), expected);
        assert_eq!(read(&format!("{name}={value}\n{earlier}={otherwise}")), expected);
        let error = format!("{name}={other}\n{earlier}={value}").parse::<Defaults>().unwrap_err();
        assert_eq!(Err(error), policy(&[(name, other), (earlier, value)]));
    }
}

#[test]
fn a_tag_replaces_the_default_of_its_key_under_either_name() {
    for (earlier, name, value, _, other) in RENAMED {
        for (default, tag) in [(earlier, name), (name, earlier), (earlier, earlier), (name, name)] {
            let defaults: Defaults = format!("{default}={other}").parse().unwrap();
            let read = Policy::from_tags(&tags(&[(tag, value)]), &defaults);
            assert_eq!(read, policy(&[(name, value)]), "default {default}={other}, tag {tag}={value}");
        }
    }
}

#[test]
fn the_contradiction_of_terminate_first_and_no_unhealthy_instance_is_found_under_either_name() {
    for name in ["replace", "strategy"] {
        let error = policy(&[(name, "terminate-first"), ("min-healthy", "100%")]).unwrap_err();
        assert!(matches!(error, PolicyError::Contradiction(_)), "{error}");
        let read = policy(&[(name, "terminate-first")]).unwrap();
        assert_eq!(read.replace, ReplaceBy::TerminateFirst);
    }
    assert_eq!(policy(&[("metrics-trail", "0s")]).unwrap().cutover.metrics_delay, SignedDuration::ZERO);
}
