//! Reads and writes launch template versions.

use std::collections::BTreeMap;
use std::fmt::Debug;

use aws_sdk_ec2::types::{
    LaunchTemplateTagSpecification, LaunchTemplateVersion, RequestLaunchTemplateData, ResponseLaunchTemplateData,
};
use driftless_planner::ids::{ImageId, TemplateId};
use driftless_planner::template::{TemplateContent, TemplateVersion};
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::CallResult;

use crate::aws::Aws;
use crate::dynamodb::hash_of;
use crate::error::{call_error, refused, required, unless_gone, unreadable};

pub(super) const DESCRIBE_TEMPLATES: &str = "ec2:DescribeLaunchTemplates";
pub(super) const DESCRIBE_VERSIONS: &str = "ec2:DescribeLaunchTemplateVersions";
pub(super) const CREATE_VERSION: &str = "ec2:CreateLaunchTemplateVersion";

/// The beginning of the description of each version that Driftless writes. The token follows.
const WRITTEN_FOR: &str = "driftless ";
/// The text between the token and the number of the copied version in that description.
const WRITTEN_ON: &str = " on ";
/// The most bytes of a value that is kept as text. Of a longer value, only the digest is kept and compared.
const SHORT: usize = 60;

/// The content of a version. None: the version does not exist.
///
/// Terraform copies the description of the newest version into the version that it writes. So a description alone does
/// not prove that Driftless wrote a version: its content must also match the version that the description names as its
/// base. If that base no longer exists, the description alone decides.
pub(crate) async fn content(aws: &Aws, version: &TemplateVersion) -> CallResult<Option<TemplateContent>> {
    let Some(raw) = described(aws, version).await? else { return Ok(None) };
    let mut content = told(&raw);
    if let Some((_, source)) = mark_of(&raw) {
        let source = TemplateVersion { template: version.template.clone(), version: source };
        let source = described(aws, &source).await?;
        if source.is_some_and(|source| told(&source).settings != content.settings) {
            content.written_for = None;
        }
    }
    Ok(Some(content))
}

async fn described(aws: &Aws, version: &TemplateVersion) -> CallResult<Option<LaunchTemplateVersion>> {
    let request = aws
        .ec2()
        .describe_launch_template_versions()
        .launch_template_id(version.template.as_str())
        .versions(version.version.to_string());
    let answer = request.send().await.map_err(|error| call_error(DESCRIBE_VERSIONS, error));
    unless_gone(answer.map(|answer| answer.launch_template_versions.unwrap_or_default().into_iter().next()))
}

fn told(raw: &LaunchTemplateVersion) -> TemplateContent {
    let data = raw.launch_template_data();
    TemplateContent {
        // `resolve:ssm:…` names no fixed image: the parameter's value can change at any time.
        image: data.and_then(|data| data.image_id()).and_then(|image| image.parse().ok()),
        written_for: mark_of(raw).map(|(token, _)| token.to_owned()),
        settings: data.map(settings).unwrap_or_default(),
    }
}

/// The token with which Driftless wrote a version, and the number of the version that it copied. None: Driftless did
/// not write the version.
fn mark_of(raw: &LaunchTemplateVersion) -> Option<(&str, u64)> {
    let mark = raw.version_description()?.strip_prefix(WRITTEN_FOR)?;
    let (token, source) = mark.rsplit_once(WRITTEN_ON)?;
    Some((token, source.parse().ok()?))
}

/// The newest version of a template. None: the template does not exist.
pub(crate) async fn newest(aws: &Aws, template: &TemplateId) -> CallResult<Option<u64>> {
    let request = aws.ec2().describe_launch_templates().launch_template_ids(template.as_str());
    let answer = request.send().await.map_err(|error| call_error(DESCRIBE_TEMPLATES, error));
    let found = unless_gone(answer.map(|answer| answer.launch_templates.unwrap_or_default().into_iter().next()))?;
    let Some(found) = found else { return Ok(None) };
    let number = required(DESCRIBE_TEMPLATES, "LatestVersionNumber", found.latest_version_number())?;
    u64::try_from(number)
        .map(Some)
        .map_err(|_negative| unreadable(DESCRIBE_TEMPLATES, format!("LatestVersionNumber is {number}")))
}

/// Writes a template version: a copy of the base version with another image. AWS makes the copy, so that no setting is
/// lost.
///
/// The base must be a version of the template or have the same content as one: each of the two colors of a pair has its
/// own template, and Terraform writes the same content to both.
pub(crate) async fn write(
    aws: &Aws,
    template: &TemplateId,
    base: &TemplateVersion,
    image: &ImageId,
    token: &str,
) -> CallResult<TemplateVersion> {
    let source = if base.template == *template {
        base.version
    } else {
        match source_of(aws, template, base, token).await? {
            Source::Written(version) => return Ok(version),
            Source::Equal(number) => number,
        }
    };
    let data = RequestLaunchTemplateData::builder().image_id(image.as_str()).build();
    let request = aws
        .ec2()
        .create_launch_template_version()
        .launch_template_id(template.as_str())
        .source_version(source.to_string())
        .launch_template_data(data)
        .version_description(format!("{WRITTEN_FOR}{token}{WRITTEN_ON}{source}"))
        .client_token(token);
    let answer = request.send().await.map_err(|error| call_error(CREATE_VERSION, error))?;
    let written = required(CREATE_VERSION, "LaunchTemplateVersion", answer.launch_template_version())?;
    Ok(TemplateVersion { template: template.clone(), version: number(CREATE_VERSION, written)? })
}

/// The version to copy when the base belongs to another template.
enum Source {
    /// The newest version of the template with the same content as the base, except for the image.
    Equal(u64),
    /// An earlier call has already written the version. A second write would copy another version, and EC2 would refuse
    /// the same token.
    Written(TemplateVersion),
}

async fn source_of(aws: &Aws, template: &TemplateId, base: &TemplateVersion, token: &str) -> CallResult<Source> {
    let wanted =
        described(aws, base).await?.ok_or_else(|| refused(CREATE_VERSION, format!("{base} does not exist")))?;
    let wanted = told(&wanted).settings;
    let request = aws.ec2().describe_launch_template_versions().launch_template_id(template.as_str());
    let pages = request.into_paginator().items().send();
    let versions = pages.collect::<Result<Vec<LaunchTemplateVersion>, _>>().await;
    let versions = versions.map_err(|error| call_error(DESCRIBE_VERSIONS, error))?;
    let is_written = |version: &&LaunchTemplateVersion| {
        mark_of(version).is_some_and(|(written_for, _)| written_for == token) && told(version).settings == wanted
    };
    if let Some(written) = versions.iter().find(is_written) {
        let version = number(DESCRIBE_VERSIONS, written)?;
        return Ok(Source::Written(TemplateVersion { template: template.clone(), version }));
    }
    let equal = versions.iter().filter(|version| told(version).settings == wanted);
    let numbers = equal.map(|version| number(DESCRIBE_VERSIONS, version)).collect::<CallResult<Vec<u64>>>()?;
    numbers.into_iter().max().map(Source::Equal).ok_or_else(|| {
        let why =
            format!("no version of {template} says what {base} says: write the same to the templates of both colors");
        refused(CREATE_VERSION, why)
    })
}

fn number(operation: &'static str, raw: &LaunchTemplateVersion) -> CallResult<u64> {
    let number = required(operation, "VersionNumber", raw.version_number())?;
    u64::try_from(number).map_err(|_negative| unreadable(operation, format!("VersionNumber is {number}")))
}

/// All settings of a version except the image. User data can contain a secret, so only its digest appears.
fn settings(data: &ResponseLaunchTemplateData) -> BTreeMap<String, UntrustedText> {
    let all = [
        ("block device mappings", several(data.block_device_mappings())),
        ("capacity reservation", one(data.capacity_reservation_specification())),
        ("cpu options", one(data.cpu_options())),
        ("credit specification", one(data.credit_specification())),
        ("API stop protection", one(data.disable_api_stop())),
        ("API termination protection", one(data.disable_api_termination())),
        ("EBS optimization", one(data.ebs_optimized())),
        ("enclave options", one(data.enclave_options())),
        ("hibernation options", one(data.hibernation_options())),
        ("instance profile", one(data.iam_instance_profile())),
        ("shutdown behavior", one(data.instance_initiated_shutdown_behavior())),
        ("instance market options", one(data.instance_market_options())),
        ("instance requirements", one(data.instance_requirements())),
        ("instance type", one(data.instance_type())),
        ("kernel", one(data.kernel_id())),
        ("key name", one(data.key_name())),
        ("licenses", several(data.license_specifications())),
        ("maintenance options", one(data.maintenance_options())),
        ("metadata options", one(data.metadata_options())),
        ("monitoring", one(data.monitoring())),
        ("network interfaces", several(data.network_interfaces())),
        ("placement", one(data.placement())),
        ("private DNS name options", one(data.private_dns_name_options())),
        ("RAM disk", one(data.ram_disk_id())),
        ("security groups", several(data.security_group_ids())),
        ("security group names", several(data.security_groups())),
        ("tags", tags(data.tag_specifications())),
        ("user data", data.user_data().map(digest)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), UntrustedText::from(value?.as_str())))).collect()
}

fn one<T: Debug>(value: Option<T>) -> Option<String> {
    value.map(|value| shortened(&format!("{value:?}")))
}

/// The text of a list, sorted: two templates may hold the same list in different orders.
fn several<T: Debug>(values: &[T]) -> Option<String> {
    let mut texts: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    texts.sort();
    (!texts.is_empty()).then(|| shortened(&texts.join(", ")))
}

/// The text of the tags for launched resources, sorted: Terraform writes them in a different order each time.
fn tags(specifications: &[LaunchTemplateTagSpecification]) -> Option<String> {
    let of_each = specifications.iter().map(|specification| {
        let tags: BTreeMap<Option<&str>, Option<&str>> =
            specification.tags().iter().map(|tag| (tag.key(), tag.value())).collect();
        (specification.resource_type(), tags)
    });
    several(&of_each.collect::<Vec<_>>())
}

fn shortened(text: &str) -> String {
    if text.len() <= SHORT { text.to_owned() } else { digest(text) }
}

fn digest(text: &str) -> String {
    format!("{:016x}", hash_of(&[text.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::operation::create_launch_template_version::CreateLaunchTemplateVersionOutput;
    use aws_sdk_ec2::operation::describe_launch_template_versions::DescribeLaunchTemplateVersionsOutput;
    use aws_sdk_ec2::types::{InstanceType, LaunchTemplateInstanceMetadataOptions};
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use driftless_reconciler::ports::Ec2Instances as _;

    use super::*;
    use crate::aws::testing::with_ec2;

    const BLUE: &str = "lt-0000000000000b1ee";
    const GREEN: &str = "lt-000000000000065ee";

    fn version(number: i64, description: Option<&str>, instance_type: InstanceType) -> LaunchTemplateVersion {
        let data = ResponseLaunchTemplateData::builder().image_id("ami-0123456789abcdef0").instance_type(instance_type);
        let version = LaunchTemplateVersion::builder().version_number(number).launch_template_data(data.build());
        version.set_version_description(description.map(str::to_owned)).build()
    }

    /// A mock that returns these versions for this template.
    fn versions(template: &'static str, all: fn() -> Vec<LaunchTemplateVersion>) -> Rule {
        mock!(Client::describe_launch_template_versions)
            .match_requests(move |request| request.launch_template_id() == Some(template))
            .then_output(move || {
                DescribeLaunchTemplateVersionsOutput::builder().set_launch_template_versions(Some(all())).build()
            })
    }

    async fn written(rules: &[&Rule]) -> TemplateVersion {
        let client = mock_client!(aws_sdk_ec2, RuleMode::MatchAny, rules);
        let base = TemplateVersion { template: BLUE.parse().unwrap(), version: 7 };
        let image = "ami-0fedcba9876543210".parse().unwrap();
        with_ec2(client).write_template(&GREEN.parse().unwrap(), &base, &image, "slot").await.unwrap()
    }

    #[tokio::test]
    async fn a_version_for_the_other_color_is_written_on_its_newest_one_that_says_the_same() {
        let blue = versions(BLUE, || vec![version(7, None, InstanceType::T4gSmall)]);
        let green = versions(GREEN, || {
            vec![
                version(4, None, InstanceType::T4gLarge),
                version(3, Some("driftless earlier on 2"), InstanceType::T4gSmall),
                version(2, None, InstanceType::T4gSmall),
            ]
        });
        let create = mock!(Client::create_launch_template_version)
            .match_requests(|request| {
                request.source_version() == Some("3")
                    && request.client_token() == Some("slot")
                    && request.version_description() == Some("driftless slot on 3")
            })
            .then_output(|| {
                let made = version(5, Some("driftless slot on 3"), InstanceType::T4gSmall);
                CreateLaunchTemplateVersionOutput::builder().launch_template_version(made).build()
            });
        assert_eq!(written(&[&blue, &green, &create]).await.version, 5);
    }

    #[tokio::test]
    async fn a_version_that_was_written_for_the_token_is_not_written_again_on_itself() {
        let blue = versions(BLUE, || vec![version(7, None, InstanceType::T4gSmall)]);
        let green = versions(GREEN, || {
            vec![
                version(6, None, InstanceType::T4gSmall),
                version(5, Some("driftless slot on 3"), InstanceType::T4gSmall),
                version(3, None, InstanceType::T4gSmall),
            ]
        });
        // No call that creates a version is expected.
        assert_eq!(written(&[&blue, &green]).await, TemplateVersion { template: GREEN.parse().unwrap(), version: 5 });
    }

    #[tokio::test]
    async fn a_version_that_repeats_our_description_and_says_something_else_is_not_ours() {
        for (instance_type, written_for) in [(InstanceType::T4gSmall, Some("slot")), (InstanceType::T4gLarge, None)] {
            let rule = mock!(Client::describe_launch_template_versions).then_compute_output(move |request| {
                let found = match request.versions().first().map(String::as_str) {
                    Some("2") => version(2, None, InstanceType::T4gSmall),
                    _ => version(4, Some("driftless slot on 2"), instance_type.clone()),
                };
                DescribeLaunchTemplateVersionsOutput::builder().launch_template_versions(found).build()
            });
            let client = mock_client!(aws_sdk_ec2, RuleMode::MatchAny, &[&rule]);
            let asked = TemplateVersion { template: GREEN.parse().unwrap(), version: 4 };
            let content = with_ec2(client).template(&asked).await.unwrap().unwrap();
            assert_eq!(content.written_for.as_deref(), written_for);
        }
    }

    #[test]
    fn versions_that_say_the_same_in_another_order_say_the_same() {
        let with = |names: [&str; 2], groups: [&str; 2]| {
            let tag = |name: &str| aws_sdk_ec2::types::Tag::builder().key(name).value("web").build();
            let given = LaunchTemplateTagSpecification::builder().set_tags(Some(names.map(tag).to_vec())).build();
            let groups = groups.map(str::to_owned).to_vec();
            let data = ResponseLaunchTemplateData::builder().tag_specifications(given);
            settings(&data.set_security_group_ids(Some(groups)).build())
        };
        let one = with(["Fleet", "Name"], ["sg-1", "sg-2"]);
        assert_eq!(one, with(["Name", "Fleet"], ["sg-2", "sg-1"]));
        assert_ne!(one, with(["Fleet", "Team"], ["sg-1", "sg-2"]));
    }

    #[test]
    fn two_versions_differ_where_their_settings_do_and_user_data_is_not_shown() {
        let with = |user_data: &str, profile: i32| {
            let options = LaunchTemplateInstanceMetadataOptions::builder().http_put_response_hop_limit(profile).build();
            let data = ResponseLaunchTemplateData::builder().user_data(user_data).metadata_options(options);
            settings(&data.image_id("ami-0123456789abcdef0").build())
        };
        let (one, same, other) = (with("c2VjcmV0", 1), with("c2VjcmV0", 1), with("b3RoZXI=", 2));
        assert_eq!(one, same);
        let differs: Vec<&String> = one.keys().filter(|name| one.get(*name) != other.get(*name)).collect();
        assert_eq!(differs, ["metadata options", "user data"]);
        assert!(one.values().all(|value| !value.as_str().contains("c2VjcmV0")));
    }
}
