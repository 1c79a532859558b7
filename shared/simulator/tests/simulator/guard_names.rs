//! Guards by name in scenarios: a name that two guards once shared still matches both.

use driftless_simulator::scenario::Scenario;

/// Number of failed expectations for a fleet whose drifted instance waits because its groups follow `$Latest`.
fn unmet(expectation: &str) -> usize {
    let text = format!(
        "# Nothing is replaced before the groups launch a numbered version.
         fleet web: weighted, blue live, 4 instances, floating templates, policy mode=act rules=approved alarms=web-5xx
         at 5m drift blue/1 under approved
         at 30m expect {expectation}"
    );
    let (report, _) = Scenario::parse(&text).unwrap().counted().unwrap();
    report.failures.len()
}

#[test]
fn a_guard_is_meant_by_its_own_name_and_by_the_one_that_it_shared() {
    assert_eq!(unmet("waiting blue/1=setup waiting blue/1=group waiting blue/1!=policy"), 0);
    for wrong in ["waiting blue/1=policy", "waiting blue/1=successor", "waiting blue/1!=setup", "waiting blue/1!=group"]
    {
        assert_eq!(unmet(wrong), 1, "{wrong}");
    }
}
