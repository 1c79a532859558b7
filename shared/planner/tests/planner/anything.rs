//! Whatever happens in whatever order: what must never happen does not, and when it is over everything is idle.

use driftless_testkit::{Stage, fleet, freeze, id, mins, secs, t0};
use std::collections::BTreeSet;

use driftless_planner::action::{Action, ActionResult, CapacityChange, Role};
use driftless_planner::notification::{Details, Notification};
use driftless_planner::observation::Lifecycle;
use driftless_planner::record::{Phase, Replacement};
use proptest::prelude::*;

/// One small thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Pass,
    LoseOutcomes,
    CrashBeforeAct,
    Arrive,
    Leave,
    Wait(i64),
    Sicken(usize),
    Heal,
    Drift(usize),
    Comply(usize),
    Take(usize, bool),
    Scale(i32),
    Maximum(i32),
    Freeze(i64),
    Thaw,
    Observe(bool),
    Unread(bool),
    Answer(&'static str, u8),
    AnswerAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => Just(Step::Pass),
        3 => Just(Step::LoseOutcomes),
        2 => Just(Step::CrashBeforeAct),
        5 => Just(Step::Arrive),
        4 => Just(Step::Leave),
        6 => (1_i64..400).prop_map(Step::Wait),
        2 => (0_usize..12).prop_map(Step::Sicken),
        2 => Just(Step::Heal),
        3 => (0_usize..12).prop_map(Step::Drift),
        2 => (0_usize..12).prop_map(Step::Comply),
        2 => ((0_usize..12), any::<bool>()).prop_map(|(member, keeps)| Step::Take(member, keeps)),
        2 => (-2_i32..3).prop_map(Step::Scale),
        1 => (0_i32..3).prop_map(Step::Maximum),
        1 => (1_i64..600).prop_map(Step::Freeze),
        1 => Just(Step::Thaw),
        1 => any::<bool>().prop_map(Step::Observe),
        1 => any::<bool>().prop_map(Step::Unread),
        2 => (
            prop_oneof![Just("launch"), Just("terminate"), Just("protect"), Just("set-maximum"), Just("set-desired")],
            0_u8..4,
        )
            .prop_map(|(action, answer)| Step::Answer(action, answer)),
        2 => Just(Step::AnswerAll),
    ]
}

fn answer(number: u8) -> ActionResult {
    match number {
        0 => ActionResult::Busy("throttled".into()),
        1 => ActionResult::Denied("not authorized".into()),
        2 => ActionResult::Failed("InsufficientInstanceCapacity".into()),
        _ => ActionResult::Frozen,
    }
}

/// So many instances were launched and stay: an extra instance that the minimum healthy needed for the whole drain deadline is the group's, and
/// on-call was told.
fn extra_instance_kept(stage: &Stage) -> u32 {
    let is_kept = |told: &&Notification| matches!(told.details, Details::ExtraInstanceKept { .. });
    u32::try_from(stage.told.iter().filter(is_kept).count()).unwrap()
}

fn is_under_way(replacement: &Replacement) -> bool {
    replacement.phase().surge().is_some()
}

/// What must hold for every decision, besides what `check::decision` asks in each pass.
fn is_sound(stage: &Stage, actions: &[Action], budget: usize) {
    let record = stage.record();
    let surges = record.replacements.values().filter(|replacement| is_under_way(replacement)).count();
    assert!(surges <= budget, "{surges} surges");
    let mut terminations = 0;
    for action in actions {
        let Action::Terminate { instance, role, .. } = action else { continue };
        terminations += 1;
        let is_allowed = match role {
            Role::Drifted => {
                let known = record.replacements.get(instance).map(Replacement::phase);
                matches!(known, Some(Phase::Retiring(_) | Phase::Terminating(_)))
            }
            Role::Quarantined => record.quarantined.contains_key(instance),
            Role::Extra => record.replacements.values().any(|known| {
                matches!(known.phase(), Phase::Cancelling(_)) && known.phase().successor() == Some(instance)
            }),
        };
        assert!(is_allowed, "{action:?}");
    }
    assert!(terminations <= 1, "{actions:?}");
    let again = stage.decide();
    let launches = |actions: &[Action]| -> BTreeSet<String> {
        let token =
            |action: &Action| if let Action::Launch { token, .. } = action { Some(token.clone()) } else { None };
        actions.iter().filter_map(token).collect()
    };
    assert!(launches(&again.actions).len() <= budget);
}

fn happen(stage: &mut Stage, step: &Step, budget: usize) {
    let member = |stage: &Stage, number: &usize| stage.groups[0].members.get(*number).map(|member| member.id.clone());
    match step {
        Step::Pass => {
            let decision = stage.reconcile();
            is_sound(stage, &decision.actions, budget);
        }
        Step::LoseOutcomes => stage.outcomes.clear(),
        Step::CrashBeforeAct => {
            let decision = stage.reconcile_and_crash();
            is_sound(stage, &decision.actions, budget);
        }
        Step::Arrive => stage.arrive(),
        Step::Leave => stage.leave(),
        Step::Wait(seconds) => stage.wait(secs(*seconds)),
        Step::Sicken(number) => stage.sick.extend(member(stage, number)),
        Step::Heal => stage.sick.clear(),
        Step::Drift(number) => {
            if let Some(instance) = member(stage, number) {
                stage.drift_under(instance, "sg-closed");
            }
        }
        Step::Comply(number) => {
            let instance = member(stage, number);
            stage.compliance.values_mut().for_each(|found| found.retain(|id, _| Some(id) != instance.as_ref()));
        }
        Step::Take(number, keeps) => {
            let capacity =
                if *keeps || stage.desired() <= 1 { CapacityChange::Keep } else { CapacityChange::Decrement };
            if let Some(instance) = member(stage, number) {
                stage.take(&instance, capacity);
            }
        }
        Step::Scale(change) => {
            let group = stage.group();
            let desired = group.desired.saturating_add_signed(*change).clamp(group.min, group.max);
            stage.scale_to(desired);
        }
        Step::Maximum(room) => stage.group().max = stage.desired().saturating_add_signed(*room),
        Step::Freeze(seconds) => {
            let now = stage.now;
            stage.freezes = vec![freeze(now, Some(now + secs(*seconds)))];
        }
        Step::Thaw => stage.freezes.clear(),
        Step::Observe(is_observed) => stage.tag("mode", if *is_observed { "observe" } else { "act" }),
        Step::Unread(is_unread) => {
            stage.unread = if *is_unread { ["sg-closed".parse().unwrap()].into() } else { BTreeSet::new() };
        }
        Step::Answer(action, number) => drop(stage.scripted.insert(action, answer(*number))),
        Step::AnswerAll => stage.scripted.clear(),
    }
}

/// The disturbances stop: it settles, nothing of it is left, and whatever could be replaced was.
fn comes_to_rest(stage: &mut Stage) {
    stage.freezes.clear();
    stage.unread.clear();
    stage.sick.clear();
    stage.scripted.clear();
    stage.outcomes.clear();
    stage.tag("mode", "act");
    for pause in [0, 10, 60] {
        stage.wait(mins(pause));
        stage.settle();
    }
    let record = stage.record();
    let open: Vec<_> = record.replacements.values().filter(|known| is_under_way(known)).collect();
    assert!(open.is_empty(), "{open:#?}");
    // What desired capacity does not fit under stays raised, until it does.
    let fits = |entry: &driftless_planner::record::BorrowedSetting| match entry.setting {
        driftless_planner::record::Setting::Maximum { had, .. } => stage.desired() <= had,
        driftless_planner::record::Setting::Protection { .. }
        | driftless_planner::record::Setting::BorrowedMinimum { .. }
        | driftless_planner::record::Setting::BorrowedMaximum { .. }
        | driftless_planner::record::Setting::Template { .. }
        | driftless_planner::record::Setting::Stickiness { .. } => true,
    };
    let left: Vec<_> = record.borrowed_settings.iter().filter(|entry| fits(entry)).collect();
    assert!(left.is_empty(), "{left:#?}");
    let in_service = stage.groups[0].members.iter().filter(|member| member.lifecycle == Lifecycle::InService);
    assert_eq!(in_service.count(), stage.desired() as usize);
    let may_last =
        |key: &String| key == "breaker-open" || (key == "restore-overdue" && !record.borrowed_settings.is_empty());
    assert!(record.conditions.keys().all(may_last), "{:?}", record.conditions);
    assert_eq!(stage.record().fleet, fleet());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_is_sound_and_comes_to_rest(
        size in 3_u32..10,
        budget in 1_usize..3,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut stage = Stage::drifted(size, &[1]);
        stage.tag("budget", &budget.to_string());
        stage.tag("breaker", "50%");
        stage.tag("debounce", "1m");
        for step in &steps {
            happen(&mut stage, step, 2);
        }
        comes_to_rest(&mut stage);
    }

    #[test]
    fn without_external_changes_capacity_returns_to_what_it_was(
        size in 3_u32..10,
        offered in any::<bool>(),
        steps in prop::collection::vec(
            step().prop_filter("only Driftless and its luck", |step| {
                !matches!(step, Step::Take(..) | Step::Scale(_) | Step::Maximum(_))
            }),
            1..80,
        ),
    ) {
        let mut stage = Stage::drifted(size, &[1]);
        stage.tag("breaker", "50%");
        stage.tag("budget", "2");
        stage.record.as_mut().unwrap().launches_by_desired_since = (!offered).then(t0);
        let (maximum, desired) = (stage.group().max, stage.desired());
        for step in &steps {
            happen(&mut stage, step, 2);
            assert!(stage.desired() <= desired + extra_instance_kept(&stage) + 2, "{} wanted", stage.desired());
        }
        comes_to_rest(&mut stage);
        let kept = extra_instance_kept(&stage);
        prop_assert!((desired..=desired + kept).contains(&stage.desired()), "{} wanted", stage.desired());
        if kept == 0 {
            prop_assert_eq!(stage.group().max, maximum);
            prop_assert!(stage.record().borrowed_settings.is_empty());
        }
        prop_assert!(stage.has(&id(1)) || !stage.terminated().is_empty());
    }
}

/// Found by chance: the surge that was abandoned leaves its instance to a sick group, and two more surges begin.
#[test]
fn two_surges_beside_an_extra_instance_that_was_kept_are_within_the_budget() {
    use Step::{Answer, Arrive, CrashBeforeAct, Drift, Heal, Pass, Sicken, Wait};
    let steps = [
        [Pass, Answer("terminate", 0), Wait(264), Wait(182), Wait(368), Drift(1), Wait(386), CrashBeforeAct],
        [Wait(289), Pass, Pass, Wait(229), Arrive, Wait(183), Sicken(0), Wait(274)],
        [Wait(303), Wait(204), Wait(318), Pass, Heal, Wait(120), Pass, Pass],
    ];
    let mut stage = Stage::drifted(5, &[1]);
    stage.tag("breaker", "50%");
    stage.tag("budget", "2");
    for step in steps.iter().flatten() {
        happen(&mut stage, step, 2);
    }
    assert_eq!((stage.desired(), extra_instance_kept(&stage)), (5 + 1 + 2, 1));
    comes_to_rest(&mut stage);
}
