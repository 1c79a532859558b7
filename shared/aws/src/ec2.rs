//! EC2: instances, launch template versions and images.

#[cfg(test)]
mod codes;
mod image;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, Instance, Reservation};
use driftless_planner::ids::{FleetName, ImageId, InstanceId, TemplateId};
use driftless_planner::image::Image;
use driftless_planner::observation::Ec2Instance;
use driftless_planner::policy::TAG_PREFIX;
use driftless_planner::template::{TemplateContent, TemplateVersion};
use driftless_reconciler::ports::{CallResult, Ec2Instances};
use futures_util::future::try_join_all;

use crate::aws::Aws;
use crate::error::{call_error, parsed};
use crate::time::timestamp;

const DESCRIBE_INSTANCES: &str = "ec2:DescribeInstances";

/// EC2's limit of values in one filter.
const FILTER_VALUES_MAX: usize = 200;

/// The tags that EC2 sets on instances that are launched from a template. Users cannot set them: the prefix `aws:` is
/// reserved.
const TEMPLATE_ID_TAG: &str = "aws:ec2launchtemplate:id";
const TEMPLATE_VERSION_TAG: &str = "aws:ec2launchtemplate:version";

impl Ec2Instances for Aws {
    async fn machines(&self, ids: &BTreeSet<InstanceId>) -> CallResult<BTreeMap<InstanceId, Ec2Instance>> {
        let ids: Vec<&InstanceId> = ids.iter().collect();
        let chunks = try_join_all(ids.chunks(FILTER_VALUES_MAX).map(|chunk| described(self, chunk))).await?;
        Ok(chunks.into_iter().flatten().collect())
    }

    async fn template(&self, version: &TemplateVersion) -> CallResult<Option<TemplateContent>> {
        template::content(self, version).await
    }

    async fn newest_template(&self, template: &TemplateId) -> CallResult<Option<u64>> {
        template::newest(self, template).await
    }

    async fn write_template(
        &self,
        template: &TemplateId,
        base: &TemplateVersion,
        image: &ImageId,
        token: &str,
    ) -> CallResult<TemplateVersion> {
        template::write(self, template, base, image, token).await
    }

    async fn images_for(&self, fleet: &FleetName) -> CallResult<Vec<Image>> {
        image::for_fleet(self, fleet).await
    }

    async fn all_images(&self) -> CallResult<Vec<Image>> {
        image::for_any_fleet(self).await
    }

    async fn images(&self, ids: &BTreeSet<ImageId>) -> CallResult<BTreeMap<ImageId, Image>> {
        image::by_ids(self, ids).await
    }

    async fn images_built_as(&self, arn: &str) -> CallResult<Vec<Image>> {
        image::built_as(self, arn).await
    }
}

/// Describes instances, by a filter and not by id: one id that EC2 no longer knows would fail the whole call.
async fn described(aws: &Aws, ids: &[&InstanceId]) -> CallResult<Vec<(InstanceId, Ec2Instance)>> {
    let ids = ids.iter().map(|id| id.as_str().to_owned()).collect();
    let filter = Filter::builder().name("instance-id").set_values(Some(ids)).build();
    let pages = aws.ec2().describe_instances().filters(filter).into_paginator().items().send();
    let reservations = pages.collect::<Result<Vec<Reservation>, _>>().await;
    let reservations = reservations.map_err(|error| call_error(DESCRIBE_INSTANCES, error))?;
    reservations.iter().flat_map(Reservation::instances).map(machine).collect()
}

fn machine(raw: &Instance) -> CallResult<(InstanceId, Ec2Instance)> {
    let id = parsed(DESCRIBE_INSTANCES, "InstanceId", raw.instance_id())?;
    let machine = Ec2Instance {
        image: parsed(DESCRIBE_INSTANCES, "ImageId", raw.image_id())?,
        template: template_of(raw),
        launched_at: timestamp(DESCRIBE_INSTANCES, "LaunchTime", raw.launch_time())?,
        protect: tag(raw, &format!("{TAG_PREFIX}protect")).map(Into::into),
    };
    Ok((id, machine))
}

fn template_of(raw: &Instance) -> Option<TemplateVersion> {
    Some(TemplateVersion {
        template: tag(raw, TEMPLATE_ID_TAG)?.parse().ok()?,
        version: tag(raw, TEMPLATE_VERSION_TAG)?.parse().ok()?,
    })
}

fn tag<'a>(raw: &'a Instance, key: &str) -> Option<&'a str> {
    raw.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value())
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::operation::describe_instances::DescribeInstancesOutput;
    use aws_sdk_ec2::operation::describe_launch_template_versions::DescribeLaunchTemplateVersionsOutput;
    use aws_sdk_ec2::types::{LaunchTemplateVersion, ResponseLaunchTemplateData, Tag};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_types::DateTime;
    use driftless_reconciler::ports::CallErrorKind;

    use super::*;
    use crate::aws::testing::with_ec2;

    fn instance(id: &str, tags: &[(&str, &str)]) -> aws_sdk_ec2::types::builders::InstanceBuilder {
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
        Instance::builder()
            .instance_id(id)
            .image_id("ami-0123456789abcdef0")
            .launch_time(DateTime::from_secs(60))
            .set_tags(Some(tags))
    }

    fn version() -> TemplateVersion {
        TemplateVersion { template: "lt-0123456789abcdef0".parse().unwrap(), version: 7 }
    }

    #[tokio::test]
    async fn machines_are_asked_for_by_a_filter_of_at_most_200_ids() {
        let ids: BTreeSet<InstanceId> = (0..201).map(|number| format!("i-{number:017x}").parse().unwrap()).collect();
        let rule = mock!(Client::describe_instances).then_compute_output(|request| {
            let [filter] = request.filters() else { panic!("{request:?}") };
            assert_eq!(filter.name(), Some("instance-id"));
            assert!(filter.values().len() <= 200 && request.instance_ids().is_empty());
            // EC2 has forgotten the first instance of each chunk.
            let known = filter.values().iter().skip(1).map(|id| instance(id, &[]).build());
            let reservation = Reservation::builder().set_instances(Some(known.collect())).build();
            DescribeInstancesOutput::builder().reservations(reservation).build()
        });
        let client = mock_client!(aws_sdk_ec2, RuleMode::MatchAny, [&rule]);
        let machines = with_ec2(client).machines(&ids).await.unwrap();
        assert_eq!((machines.len(), rule.num_calls()), (199, 2));
    }

    #[test]
    fn a_machine_tells_its_template_and_its_protection_by_tags() {
        let of = |tags: &[(&str, &str)]| machine(&instance("i-0aa11bb22cc33dd44", tags).build()).unwrap().1;
        let by_template = [(TEMPLATE_ID_TAG, "lt-0123456789abcdef0"), (TEMPLATE_VERSION_TAG, "7")];
        assert_eq!(of(&by_template).template, Some(version()));
        assert_eq!(of(&by_template[..1]).template, None);
        assert_eq!(of(&[(TEMPLATE_ID_TAG, "odd"), (TEMPLATE_VERSION_TAG, "7")]).template, None);
        assert_eq!(
            of(&[("driftless:protect", "migration until Friday")]).protect,
            Some("migration until Friday".into())
        );
        assert_eq!((of(&[]).protect, of(&[]).launched_at.as_second()), (None, 60));
    }

    #[test]
    fn a_machine_without_a_launch_time_is_unreadable() {
        let error = machine(&instance("i-0aa11bb22cc33dd44", &[]).set_launch_time(None).build()).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (CallErrorKind::Unreadable, "the answer lacks LaunchTime"));
    }

    #[tokio::test]
    async fn a_template_names_an_image_only_by_its_id() {
        for (image, expected) in [
            (Some("ami-0123456789abcdef0"), Some("ami-0123456789abcdef0")),
            (Some("resolve:ssm:/golden/ami"), None),
            (None, None),
        ] {
            let rule = mock!(Client::describe_launch_template_versions)
                .match_requests(|request| {
                    request.launch_template_id() == Some("lt-0123456789abcdef0") && request.versions() == ["7"]
                })
                .then_output(move || {
                    let data = ResponseLaunchTemplateData::builder().set_image_id(image.map(str::to_owned)).build();
                    let version = LaunchTemplateVersion::builder().launch_template_data(data).build();
                    DescribeLaunchTemplateVersionsOutput::builder().launch_template_versions(version).build()
                });
            let client = mock_client!(aws_sdk_ec2, RuleMode::MatchAny, [&rule]);
            let content = with_ec2(client).template(&version()).await.unwrap().unwrap();
            assert_eq!(content.image.as_ref().map(ImageId::as_str), expected);
        }
    }
}
