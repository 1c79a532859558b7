//! A fleet that is seen for the first time.

use driftless_planner::action::{Action, ActionResult, Outcome};
use driftless_planner::ids::TargetGroupArn;
use driftless_planner::notification::{Condition, Details};
use driftless_planner::template::TemplateReference;
use driftless_testkit::{Stage, content, group, id, mins, version};

#[test]
fn its_release_is_what_the_live_group_launches_and_nothing_is_changed() {
    for mode in ["observe", "act"] {
        let mut stage = Stage::new(3);
        stage.tag("mode", mode);
        let before = stage.groups.clone();
        stage.settle();
        let release = stage.record().release.clone().unwrap();
        assert_eq!(release.template, version(1));
        assert_eq!(release.image.as_str(), "ami-00000000000000001");
        assert_eq!((stage.kinds(), stage.groups.clone()), (vec!["adopted".to_owned()], before));
        assert!(stage.acted.is_empty());
        stage.assert_clean(3);
    }
}

/// With this change the fleet is not adopted, for this reason; nothing starts, whatever has drifted.
fn check(words: &str, change: impl FnOnce(&mut Stage)) {
    let mut stage = Stage::new(3);
    change(&mut stage);
    stage.drift(1);
    stage.reconcile();
    stage.wait(mins(10));
    stage.settle();
    assert_eq!(stage.record().release, None, "{words}");
    assert!(stage.acted.is_empty());
    let [told] = &stage.told[..] else { panic!("{words}: {:?}", stage.told) };
    let Details::Entered { condition: Condition::NotAdoptable, detail } = &told.details else { panic!("{told:?}") };
    assert!(detail.as_str().contains(words), "{detail}");
}

#[test]
fn a_floating_version_is_refused() {
    for alias in ["$Latest", "$Default"] {
        check(&format!("app-asg uses {alias} of its launch template: pin a numbered version"), |stage| {
            let template = version(1).template;
            stage.group().template = TemplateReference::Floating { template, alias: alias.to_owned() };
        });
    }
}

#[test]
fn what_driftless_does_not_work_with_is_refused() {
    check("app-asg has a warm pool", |stage| stage.group().unsupported.push("a warm pool".to_owned()));
    check("app-asg has no launch template", |stage| stage.group().template = TemplateReference::None);
    check("app-asg is being deleted", |stage| stage.group().deleting = true);
}

#[test]
fn a_version_without_an_image_id_is_refused() {
    check("lt-00000000000000001 version 1 does not name its image by id", |stage| {
        stage.templates.insert(version(1), content(None));
    });
    check("lt-00000000000000001 version 1 of app-asg does not exist", |stage| stage.templates.clear());
}

#[test]
fn everything_in_the_way_is_said_at_once() {
    check("a warm pool; app-asg has mixed weights; app-asg uses $Latest", |stage| {
        stage.group().unsupported = vec!["a warm pool".to_owned(), "mixed weights".to_owned()];
        let template = version(1).template;
        stage.group().template = TemplateReference::Floating { template, alias: "$Latest".to_owned() };
    });
}

#[test]
fn it_is_adopted_once_the_way_is_free() {
    let mut stage = Stage::new(3);
    stage.group().unsupported.push("a warm pool".to_owned());
    stage.settle();
    stage.group().unsupported.clear();
    stage.settle();
    assert_eq!(stage.kinds(), ["entered not-adoptable", "adopted", "ended not-adoptable"].map(str::to_owned).to_vec());
}

#[test]
fn the_release_follows_the_group_only_while_it_is_observed() {
    for (mode, released) in [("observe", 2), ("act", 1)] {
        let mut stage = Stage::new(3);
        stage.tag("mode", mode);
        stage.settle();
        let image = Some("ami-00000000000000002".parse().unwrap());
        stage.templates.insert(version(2), content(image));
        stage.group().template = TemplateReference::Numbered(version(2));
        stage.wait(mins(10));
        stage.settle();
        let release = stage.record().release.clone().unwrap();
        assert_eq!(release.template, version(released), "{mode}");
        let followed = if mode == "observe" { vec!["adopted", "entered backlog"] } else { vec!["adopted"] };
        assert_eq!(stage.kinds(), followed);
    }
}

#[test]
fn the_version_of_the_release_is_not_asked_again() {
    let mut stage = Stage::new(3);
    stage.settle();
    // The template version was deleted since. The release still runs; only AWS refuses its next launch.
    let templates = std::mem::take(&mut stage.templates);
    stage.drift(1);
    stage.settle();
    stage.wait(mins(5));
    stage.settle();
    let Some(Outcome { action: Action::Launch { .. }, result: ActionResult::Failed(why) }) = stage.acted.last() else {
        panic!("{:?}", stage.acted)
    };
    assert!(why.as_str().contains("does not exist"), "{why}");
    assert_eq!(stage.record().release.as_ref().unwrap().template, version(1));
    stage.templates = templates;
    stage.wait(mins(5));
    stage.settle_clean(3);
    assert!(!stage.has(&id(1)));
}

#[test]
fn a_group_without_a_load_balancer_is_proven_by_auto_scaling_alone() {
    let mut single = group(3);
    single.target_groups = Vec::<TargetGroupArn>::new();
    let mut stage = Stage::with(vec![single]);
    stage.drift(1);
    stage.reconcile();
    stage.wait(mins(5));
    stage.settle_clean(3);
    assert!(!stage.has(&id(1)));
}
