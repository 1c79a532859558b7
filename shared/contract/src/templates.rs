//! Contracts about launch template versions, images, and the instance refreshes that roll them out.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use driftless_planner::action::Bounds;
use driftless_planner::ids::ImageId;
use driftless_planner::image::ImageState;
use driftless_planner::policy::Percent;
use driftless_planner::refresh::{RefreshPlan, RefreshStatus};
use driftless_planner::template::{TemplateReference, TemplateVersion};
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallErrorKind, Ec2Instances as _, Groups as _};
use jiff::SignedDuration;

use crate::sizes::{group, refusal, stable};
use crate::support::eventually;
use crate::world::spec;
use crate::{Fleet, World};

const ONE: Bounds = Bounds { min: 0, max: 4, desired: 1 };

pub(crate) async fn a_template_version_is_written_once_for_a_token_and_says_what_its_base_says_but_for_the_image<
    W: World,
>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { name, blue, image, .. } = world.fleet(&spec("template", ONE)?).await?;
    let template = &blue.template.template;
    let base = ports.template(&blue.template).await?.context("the version of the group does not exist")?;
    ensure!(base.image.as_ref() == Some(&image) && base.written_for.is_none(), "{base:?}");
    ensure!(ports.newest_template(template).await? == Some(1));
    let golden = world.image(Some(&name), Some("2")).await?;
    let written = ports.write_template(template, &blue.template, &golden, "contract-template-1").await?;
    ensure!(written == TemplateVersion { template: template.clone(), version: 2 }, "{written}");
    let content = ports.template(&written).await?.context("what was written does not exist")?;
    ensure!(content.image.as_ref() == Some(&golden), "{content:?}");
    ensure!(content.written_for.as_deref() == Some("contract-template-1"), "{content:?}");
    ensure!(content.settings == base.settings && !base.settings.is_empty(), "{content:?} for {base:?}");
    let again = ports.write_template(template, &blue.template, &golden, "contract-template-1").await?;
    ensure!(again == written && ports.newest_template(template).await? == Some(2), "written twice: {again}");
    let other = ports.write_template(template, &written, &image, "contract-template-2").await?;
    ensure!(other.version == 3 && ports.newest_template(template).await? == Some(3), "{other}");
    Ok(())
}

pub(crate) async fn a_version_of_one_color_is_written_on_the_base_of_the_other_where_both_say_the_same<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, green, image, .. } = world.fleet(&spec("template-pair", ONE)?).await?;
    ensure!(blue.template.template != green.template.template);
    let written = ports.write_template(&green.template.template, &blue.template, &image, "contract-pair-1").await?;
    ensure!(written == TemplateVersion { template: green.template.template.clone(), version: 2 }, "{written}");
    let (one, other) = (ports.template(&blue.template).await?, ports.template(&written).await?);
    let settings = |content: Option<driftless_planner::template::TemplateContent>| {
        content.map(|content| content.settings).context("a version does not exist")
    };
    ensure!(settings(one)? == settings(other)?);
    // A caller that lost the response repeats the call. By then the other color has two versions with the same content.
    let again = ports.write_template(&green.template.template, &blue.template, &image, "contract-pair-1").await?;
    ensure!(again == written, "written twice: {again}");
    ensure!(ports.newest_template(&green.template.template).await? == Some(2));
    Ok(())
}

pub(crate) async fn what_a_person_writes_to_one_color_alone_is_no_base_for_the_other<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, green, image, .. } = world.fleet(&spec("template-person", ONE)?).await?;
    let edited = world.template(&blue.template).await?;
    ensure!(ports.newest_template(&blue.template.template).await? == Some(edited.version));
    let (before, after) = (ports.template(&blue.template).await?, ports.template(&edited).await?);
    let (before, after) = (before.context("no version")?, after.context("what was written does not exist")?);
    ensure!(after.written_for.is_none() && after.image == before.image, "{after:?}");
    let differ: Vec<_> = before
        .settings
        .iter()
        .filter(|(name, value)| after.settings.get(*name) != Some(value))
        .map(|(name, _)| name)
        .collect();
    ensure!(differ == ["instance type"] && before.settings.len() == after.settings.len(), "{after:?} for {before:?}");
    let kind = refusal(ports.write_template(&green.template.template, &edited, &image, "contract-person-1").await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind}");
    ensure!(ports.newest_template(&green.template.template).await? == Some(1), "nothing was written");
    // A version of the same template is a base version like any other.
    let written = ports.write_template(&blue.template.template, &edited, &image, "contract-person-2").await?;
    let content = ports.template(&written).await?.context("what was written does not exist")?;
    ensure!(content.settings == after.settings, "{content:?}");
    Ok(())
}

pub(crate) async fn a_group_takes_a_version_and_its_new_instances_run_it<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { name, blue, .. } = world.fleet(&spec("template-group", ONE)?).await?;
    let before = stable(world, &blue.group, 1).await?;
    let golden = world.image(Some(&name), Some("2")).await?;
    let written = ports.write_template(&blue.template.template, &blue.template, &golden, "contract-group-1").await?;
    for _ in 0..2 {
        ports.set_template(&blue.group, &written).await?;
        let found = group(ports, &blue.group).await?;
        ensure!(found.template == TemplateReference::Numbered(written.clone()), "{:?}", found.template);
        ensure!(found.desired == before.desired && found.members == before.members, "nothing else: {found:?}");
    }
    ports.set_desired(&blue.group, 2).await?;
    let grown = stable(world, &blue.group, 2).await?;
    let new = grown.members.iter().find(|member| before.member(&member.id).is_none()).context("nothing new")?;
    ensure!(new.template.as_ref() == Some(&written), "{new:?}");
    let machines = ports.machines(&[new.id.clone()].into()).await?;
    ensure!(machines.values().all(|machine| machine.image == golden && machine.template.as_ref() == Some(&written)));
    let old = grown.members.iter().find(|member| member.id != new.id).context("nothing old")?;
    ensure!(old.template.as_ref() == Some(&blue.template), "what runs keeps its version: {old:?}");
    Ok(())
}

pub(crate) async fn template_versions_that_do_not_exist_are_absent_and_no_base<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, image, .. } = world.fleet(&spec("template-none", ONE)?).await?;
    let missing = TemplateVersion { version: 9, ..blue.template.clone() };
    ensure!(ports.template(&missing).await?.is_none());
    let unknown = TemplateVersion { template: "lt-0123456789abcdef9".parse()?, version: 1 };
    ensure!(ports.template(&unknown).await?.is_none());
    ensure!(ports.newest_template(&unknown.template).await?.is_none());
    let kind = refusal(ports.write_template(&blue.template.template, &missing, &image, "contract-none-1").await)?;
    ensure!(kind == CallErrorKind::Gone, "{kind} for a base that does not exist");
    let kind = refusal(ports.write_template(&unknown.template, &unknown, &image, "contract-none-2").await)?;
    ensure!(kind == CallErrorKind::Gone, "{kind} for a template that does not exist");
    ensure!(ports.newest_template(&blue.template.template).await? == Some(1), "nothing was written");
    Ok(())
}

pub(crate) async fn a_token_of_a_template_version_is_good_for_no_other_version<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { name, blue, image, .. } = world.fleet(&spec("template-token", ONE)?).await?;
    let golden = world.image(Some(&name), Some("2")).await?;
    let template = &blue.template.template;
    ports.write_template(template, &blue.template, &golden, "contract-token-2").await?;
    let kind = refusal(ports.write_template(template, &blue.template, &image, "contract-token-2").await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind} for another image");
    ensure!(ports.newest_template(template).await? == Some(2));
    Ok(())
}

pub(crate) async fn images_are_found_by_their_tag_and_by_their_id<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { name, image, .. } = world.fleet(&spec("images", ONE)?).await?;
    let golden = world.image(Some(&name), Some("7")).await?;
    let other = world.image(Some(&"images-other".parse()?), None).await?;
    let found = ports.images_for(&name).await?;
    ensure!(!found.iter().any(|image| image.id == other), "{found:?}");
    let own = found.iter().find(|image| image.id == golden).context("none")?;
    ensure!(own.is_own && own.state == ImageState::Available, "{own:?}");
    ensure!(own.image_for.as_ref().map(UntrustedText::as_str) == Some(name.as_str()), "{own:?}");
    ensure!(own.build.as_ref().map(UntrustedText::as_str) == Some("7"), "{own:?}");
    ensure!(!own.is_backup && own.source_instance.is_none() && own.image_builder_arn.is_none(), "{own:?}");
    let all: BTreeSet<ImageId> = ports.all_images().await?.into_iter().map(|image| image.id).collect();
    ensure!(all.contains(&golden) && all.contains(&other), "{all:?}");
    let unknown: ImageId = "ami-0123456789abcdef9".parse()?;
    let asked = [golden.clone(), image.clone(), unknown].into();
    let found = ports.images(&asked).await?;
    ensure!(found.keys().eq([&golden, &image].into_iter().collect::<BTreeSet<_>>()), "{found:?}");
    ensure!(found.values().all(|image| image.is_own) && found.get(&golden) == Some(own), "{found:?}");
    ensure!(ports.images_built_as("arn:aws:imagebuilder:us-east-1:123456789012:image/none/1.0.0/1").await?.is_empty());
    Ok(())
}

pub(crate) async fn an_instance_refresh_is_started_once_and_sent_back_once<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { name, blue, .. } = world.fleet(&spec("refresh", Bounds { min: 1, max: 4, desired: 2 })?).await?;
    let kind = refusal(ports.roll_back_refresh(&blue.group).await)?;
    ensure!(kind == CallErrorKind::Gone, "{kind} where none is under way");
    let golden = world.image(Some(&name), Some("2")).await?;
    let template = ports.write_template(&blue.template.template, &blue.template, &golden, "contract-refresh-1").await?;
    let min_healthy = Percent::try_from(50).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let plan = RefreshPlan { template, min_healthy, alarms: Vec::new(), bake: SignedDuration::from_mins(5) };
    let id = ports.start_refresh(&blue.group, &plan).await?;
    let found = ports.refresh(&blue.group).await?.context("there is none")?;
    ensure!(found.id == id && found.status == RefreshStatus::Running, "{found:?}");
    ensure!(found.template.as_ref() == Some(&plan.template), "{found:?}");
    let kind = refusal(ports.start_refresh(&blue.group, &plan).await)?;
    ensure!(kind == CallErrorKind::Busy, "{kind} for a second one");
    ports.roll_back_refresh(&blue.group).await?;
    eventually(world, "it goes back, and has gone back", async || {
        let found = ports.refresh(&blue.group).await?.context("there is none")?;
        ensure!(matches!(found.status, RefreshStatus::GoingBack | RefreshStatus::WentBack), "{found:?}");
        Ok((found.status == RefreshStatus::WentBack).then_some(()))
    })
    .await?;
    ensure!(group(ports, &blue.group).await?.template == TemplateReference::Numbered(blue.template));
    Ok(())
}
