//! The local stack itself: what the scenarios rely on, without any decision of Driftless.

use std::time::Duration;

use driftless_tests::control::{Settings, Targets};
use driftless_tests::events::Event;
use driftless_tests::fleet::FleetSpec;
use driftless_tests::load::Load;
use driftless_tests::patience::{Look, wait_until};
use driftless_tests::proxy::{Call, Fault, Strike};
use driftless_tests::stack::LocalStack;

const A_WHILE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn every_kind_of_fleet_settles_and_a_reset_leaves_none() -> anyhow::Result<()> {
    let stack = LocalStack::start().await?;
    for scene in 0..2 {
        let settings = Settings { launch: Some(Duration::from_millis(100)), ..Settings::default() };
        stack.control().set(&settings).await?;
        let pair = FleetSpec::pair("pair").instances(3).policy(&[("mode", "observe")]).create(&stack).await?;
        let single = FleetSpec::single("single").instances(2).warmup_seconds(1).create(&stack).await?;
        let bare = FleetSpec::single("bare").unbalanced().create(&stack).await?;
        let seen = pair.wait_until_settled(A_WHILE).await?;
        assert_eq!((seen.group("blue")?.serving(), seen.group("green")?.serving()), (3, 0), "{seen}");
        assert_eq!(pair.weights().await?.into_values().collect::<Vec<_>>(), [100, 0]);
        let blue = seen.group("blue")?;
        assert!(blue.instances.iter().all(|instance| instance.image.as_deref() == Some(pair.image())), "{seen}");
        assert_eq!(single.wait_until_settled(A_WHILE).await?.serving(), 2);
        assert_eq!(bare.wait_until_settled(A_WHILE).await?.serving(), 1);

        let watch = single.watch();
        stack.control().fail_health_checks(Targets::Group(single.target_group_of("single").unwrap())).await?;
        single.wait_for("no target is healthy", A_WHILE, |view| (view.serving() == 0).then_some(())).await?;
        assert_eq!(watch.finish().await?.fewest_serving(), 0);
        let groups = stack.groups_of_instances().await?;
        assert_eq!(groups.len(), 6, "scene {scene}: {groups:?}");
        stack.reset().await?;
        assert_eq!(pair.view().await?.groups.len(), 0);
    }
    Ok(())
}

#[tokio::test]
async fn an_event_of_config_passes_the_rule_and_the_detector_and_only_as_its_policy_allows() -> anyhow::Result<()> {
    let stack = LocalStack::start().await?;
    let event =
        || Event::compliance("i-0123456789abcdef0", "approved-amis", driftless_planner::fact::Verdict::NonCompliant);
    let sends = |call: &&Call| call.is_by("config-compliance") && call.name().starts_with("sqs:SendMessage");
    let sent = |calls: &[Call]| calls.iter().find(sends).cloned();

    let mark = stack.recording().mark();
    stack.put(&event()?).await?;
    let fact = stack.recording().wait_for(mark, "the detector sends a fact", A_WHILE, sent).await?;
    assert!(fact.request.to_string().contains("i-0123456789abcdef0"), "{fact:?}");
    stack.wait_until_idle(A_WHILE).await?;
    stack.check_permissions().await?;

    // A detector that is killed on the way has sent nothing.
    stack.inject(Fault::at("sqs:SendMessage*", Strike::Kill).of("config-compliance"));
    let mark = stack.recording().mark();
    stack.put(&event()?).await?;
    let killed = |calls: &[Call]| sent(calls).filter(|call| call.took.is_some());
    let call = stack.recording().wait_for(mark, "the detector is killed", A_WHILE, killed).await?;
    assert_eq!((call.fault, call.succeeded()), (Some("caller killed before"), false));
    assert_eq!(stack.unmet_faults(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn the_inbox_receives_what_the_topic_is_told() -> anyhow::Result<()> {
    let stack = LocalStack::start().await?;
    let mut inbox = stack.inbox("on-call").await?;
    let kind =
        aws_sdk_sns::types::MessageAttributeValue::builder().data_type("String").string_value("replaced").build()?;
    let publish = stack.clients().sns.publish().topic_arn(stack.deployment().output("AlertTopicArn")?);
    publish.subject("hello").message(r#"{"id":"1"}"#).message_attributes("kind", kind).send().await?;
    let letter = inbox.wait_for("a letter", A_WHILE, |letters| letters.first().cloned()).await?;
    assert_eq!((letter.subject.as_str(), letter.kind()), ("hello", Some("replaced")));
    assert_eq!(letter.json().unwrap()["id"], "1");
    let error = inbox.wait_for_kind("app", "withdrawn", Duration::from_millis(10)).await.unwrap_err().to_string();
    assert!(error.contains("a letter `withdrawn` about app") && error.contains("hello"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_color_without_servers_that_is_given_traffic_loses_it_and_the_load_says_so() -> anyhow::Result<()> {
    let stack = LocalStack::start().await?;
    let fleet = FleetSpec::pair("app").instances(3).policy(&[("mode", "observe")]).create(&stack).await?;
    fleet.wait_until_settled(A_WHILE).await?;
    let mut load = Load::start(&stack, &fleet).await?;
    fleet.write_weights(&[("app-blue", 50), ("app-green", 50)]).await?;
    wait_until("requests are lost", A_WHILE, async || {
        let tally = load.tally();
        Ok(if tally.lost() > 0 { Look::Is(()) } else { Look::NotYet(format!("{tally:?}")) })
    })
    .await?;
    let tally = load.pause().await?;
    assert_eq!(tally.lost.keys().collect::<Vec<_>>(), ["503: the target group is empty"], "{tally:#?}");
    assert!(tally.answers().served > 0, "{tally:#?}");
    Ok(())
}
