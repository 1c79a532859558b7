//! Many identical fleets: the stub answers of one fleet, multiplied.
//!
//! A response contains the resources whose identifiers occur anywhere in the request.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::stub::{Answer, Asked, Format, body_of};

/// The page size of Auto Scaling and Config for unfiltered lists.
const PAGE: usize = 100;

/// The number of fleets and instances.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Fleets, pairs of groups with a load balancer.
    pub fleets: usize,
    /// Instances of each, all of them blue.
    pub instances: usize,
}

impl Size {
    /// All instances.
    pub fn ids(self) -> impl Iterator<Item = String> {
        (0..self.fleets).flat_map(move |fleet| (0..self.instances).map(move |number| instance(fleet, number)))
    }
}

/// The answers about all fleets.
#[derive(Debug)]
pub struct LoadGenerator(BTreeMap<(&'static str, &'static str), List>);

/// An answer that lists things.
#[derive(Debug)]
struct List {
    format: Format,
    /// What stands before the things, between two of them, and after.
    frame: [String; 3],
    things: Vec<String>,
    /// The places of the things that an identifier names.
    named: BTreeMap<String, BTreeSet<usize>>,
    /// Whether a request that names none of them asks for all, by pages.
    is_for_all: bool,
}

impl List {
    fn new(format: Format, frame: [String; 3]) -> Self {
        Self { format, frame, things: Vec::new(), named: BTreeMap::new(), is_for_all: false }
    }

    fn add(&mut self, names: &[&str], thing: String) {
        for name in names {
            self.named.entry((*name).to_owned()).or_default().insert(self.things.len());
        }
        self.things.push(thing);
    }

    /// None: none of them is named.
    fn answer(&self, asked: &Asked) -> Option<Answer> {
        let named: BTreeSet<usize> = if asked.fields.is_null() {
            // Neither JSON nor a form: where a name begins is not known.
            self.named
                .iter()
                .filter(|(name, _)| asked.said.contains(*name))
                .flat_map(|(_, places)| places)
                .copied()
                .collect()
        } else {
            let is_end = |character: char| !character.is_ascii_alphanumeric() && character != '-';
            asked.said.split(is_end).filter_map(|word| self.named.get(word)).flatten().copied().collect()
        };
        let [before, between, after] = &self.frame;
        let (things, next): (Vec<&str>, _) = if !named.is_empty() {
            (
                self.things
                    .iter()
                    .enumerate()
                    .filter(|(place, _)| named.contains(place))
                    .map(|(_, thing)| thing.as_str())
                    .collect(),
                None,
            )
        } else if self.is_for_all {
            let from = asked.text("NextToken").and_then(|token| token.parse().ok()).unwrap_or(0);
            let page = self.things.iter().skip(from).take(PAGE).map(String::as_str).collect();
            (page, (from + PAGE < self.things.len()).then_some(from + PAGE))
        } else {
            return None;
        };
        let next = match (next, self.format) {
            (None, _) => String::new(),
            (Some(next), Format::Xml) => format!("<NextToken>{next}</NextToken>"),
            (Some(next), Format::Json | Format::Cbor) => format!(r#", "NextToken": "{next}""#),
        };
        let text = format!("{before}{}{}", things.join(between), after.replacen(NEXT, &next, 1));
        let (content_type, body) = body_of(self.format, &text).ok()?;
        Some(Answer { status: 200, content_type, body: body.into() })
    }
}

/// Where in a frame the next page is named.
const NEXT: &str = "${next}";

impl LoadGenerator {
    /// Fleets after the pattern of a folder's fleet `app`. `broken_at`: since when all instances are non-compliant.
    pub fn new(stub: &Path, size: Size, broken_at: Option<Timestamp>) -> anyhow::Result<Self> {
        let mut lists = BTreeMap::new();
        for (service, action, files, element, thing, kind) in LISTS {
            let mut list: Option<List> = None;
            for file in *files {
                let text =
                    std::fs::read_to_string(stub.join(service).join(file)).with_context(|| (*file).to_owned())?;
                let text: String = text.lines().map(str::trim).collect();
                let (before, things, after) =
                    cut(&text, element).with_context(|| format!("{file} has no {element}"))?;
                let frame = [format!("{before}<{element}>"), String::new(), format!("</{element}>{NEXT}{after}")];
                let list = list.get_or_insert_with(|| List::new(Format::Xml, frame));
                let things = children(things, thing);
                for fleet in 0..size.fleets {
                    multiply(list, *kind, &things, fleet, size.instances).with_context(|| (*file).to_owned())?;
                }
            }
            let mut list = list.context("a list of no file")?;
            list.is_for_all = matches!(kind, Kind::Group | Kind::Image);
            lists.insert((*service, *action), list);
        }
        lists.insert(("monitoring", "DescribeAlarms"), alarms(stub, size)?);
        lists.insert(("config", "GetComplianceDetailsByConfigRule"), verdicts(size, broken_at));
        Ok(Self(lists))
    }

    /// The answer to a request. None: it is about none of these fleets.
    pub fn answer(&self, service: &str, asked: &Asked) -> Option<Answer> {
        self.0.get(&(service, asked.action.as_str()))?.answer(asked)
    }
}

/// What a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Group,
    Image,
    /// One for each instance, found by its id.
    Instance,
    /// One for each instance, found by the name of its target group.
    Target,
    /// As many as there are for `app`, found by what stands in this element.
    Named(&'static str),
    /// The same, found by the fleet's name.
    OfFleet,
}

/// Service, action, the files of the pattern, the element around the things, that of each thing, and what they are.
type Pattern = (&'static str, &'static str, &'static [&'static str], &'static str, &'static str, Kind);

const LISTS: &[Pattern] = &[
    (
        "autoscaling",
        "DescribeAutoScalingGroups",
        &["DescribeAutoScalingGroups.xml"],
        "AutoScalingGroups",
        "member",
        Kind::Group,
    ),
    (
        "autoscaling",
        "DescribeAutoScalingInstances",
        &["DescribeAutoScalingInstances.xml"],
        "AutoScalingInstances",
        "member",
        Kind::Instance,
    ),
    ("ec2", "DescribeInstances", &["DescribeInstances@instance-id.xml"], "reservationSet", "item", Kind::Instance),
    ("ec2", "DescribeImages", &["DescribeImages.xml"], "imagesSet", "item", Kind::Image),
    (
        "ec2",
        "DescribeLaunchTemplates",
        &["DescribeLaunchTemplates@lt-0123456789abcdef0.xml", "DescribeLaunchTemplates@lt-0123456789abcdef1.xml"],
        "launchTemplates",
        "item",
        Kind::Named("launchTemplateId"),
    ),
    (
        "ec2",
        "DescribeLaunchTemplateVersions",
        &[
            "DescribeLaunchTemplateVersions@lt-0123456789abcdef0.xml",
            "DescribeLaunchTemplateVersions@lt-0123456789abcdef1.xml",
        ],
        "launchTemplateVersionSet",
        "item",
        Kind::Named("launchTemplateId"),
    ),
    (
        "elasticloadbalancing",
        "DescribeTargetGroups",
        &["DescribeTargetGroups.xml"],
        "TargetGroups",
        "member",
        Kind::Named("TargetGroupName"),
    ),
    ("elasticloadbalancing", "DescribeListeners", &["DescribeListeners.xml"], "Listeners", "member", Kind::OfFleet),
    ("elasticloadbalancing", "DescribeRules", &["DescribeRules.xml"], "Rules", "member", Kind::OfFleet),
    (
        "elasticloadbalancing",
        "DescribeTargetHealth",
        &["DescribeTargetHealth@app-blue.xml"],
        "TargetHealthDescriptions",
        "member",
        Kind::Target,
    ),
];

/// Adds what the pattern says, once for a fleet or once for each of its instances.
fn multiply(list: &mut List, kind: Kind, things: &[&str], fleet: usize, instances: usize) -> anyhow::Result<()> {
    let name = name(fleet);
    let blue = format!("{name}-blue");
    let first = *things.first().context("the pattern is empty")?;
    match kind {
        Kind::Instance | Kind::Target => {
            for number in 0..instances {
                let id = instance(fleet, number);
                let named = if kind == Kind::Target { &blue } else { &id };
                list.add(&[named], of_instance(&of_fleet(first, fleet), fleet, number));
            }
        }
        Kind::Group => {
            for group in things {
                let group = of_fleet(group, fleet);
                let named = within(&group, "AutoScalingGroupName")?.to_owned();
                list.add(&[&name, &named], peopled(&group, fleet, instances)?);
            }
        }
        Kind::Image => {
            for image in things {
                let image = of_fleet(image, fleet);
                let id = within(&image, "imageId")?.to_owned();
                list.add(&[&name, &id], image);
            }
        }
        Kind::Named(element) => {
            for thing in things {
                let thing = of_fleet(thing, fleet);
                let named = within(&thing, element)?.to_owned();
                list.add(&[&named], thing);
            }
        }
        Kind::OfFleet => {
            for thing in things {
                list.add(&[&name], of_fleet(thing, fleet));
            }
        }
    }
    Ok(())
}

/// A group with so many instances, if the pattern's has any.
fn peopled(group: &str, fleet: usize, instances: usize) -> anyhow::Result<String> {
    let (before, members, after) = cut(group, "Instances").context("a group without instances")?;
    let Some(member) = children(members, "member").first().copied() else { return Ok(group.to_owned()) };
    let members: String = (0..instances).map(|number| of_instance(member, fleet, number)).collect();
    let mut before = before.to_owned();
    for (element, count) in [("MinSize", instances), ("MaxSize", 2 * instances), ("DesiredCapacity", instances)] {
        let (head, _, tail) = cut(&before, element).with_context(|| format!("a group without {element}"))?;
        before = format!("{head}<{element}>{count}</{element}>{tail}");
    }
    Ok(format!("{before}<Instances>{members}</Instances>{after}"))
}

fn alarms(stub: &Path, size: Size) -> anyhow::Result<List> {
    let text = std::fs::read_to_string(stub.join("monitoring/DescribeAlarms.cbor.json"))?;
    let all: Value = serde_json::from_str(&text)?;
    let alarm = all.pointer("/MetricAlarms/0").context("the stub has no alarm")?.to_string();
    let frame = [r#"{"CompositeAlarms": [], "MetricAlarms": ["#, ", ", "]}"].map(str::to_owned);
    let mut list = List::new(Format::Cbor, frame);
    for fleet in 0..size.fleets {
        list.add(&[&format!("{}-5xx", name(fleet))], of_fleet(&alarm, fleet));
    }
    Ok(list)
}

/// The response of Config: no instance, or every instance, is non-compliant.
fn verdicts(size: Size, broken_at: Option<Timestamp>) -> List {
    let frame = [r#"{"EvaluationResults": ["#.to_owned(), ", ".to_owned(), format!("]{NEXT}}}")];
    let mut list = List { is_for_all: true, ..List::new(Format::Json, frame) };
    let Some(at) = broken_at.map(Timestamp::as_second) else { return list };
    for id in size.ids() {
        let verdict = json!({
            "EvaluationResultIdentifier": {
                "EvaluationResultQualifier": {
                    "ConfigRuleName": "approved-amis", "ResourceType": "AWS::EC2::Instance", "ResourceId": id,
                    "EvaluationMode": "DETECTIVE",
                },
                "OrderingTimestamp": at,
            },
            "ComplianceType": "NON_COMPLIANT",
            "ResultRecordedTime": at,
            "ConfigRuleInvokedTime": at,
            "Annotation": "image ami-0 is not approved",
        });
        list.add(&[], verdict.to_string());
    }
    list
}

fn name(fleet: usize) -> String {
    format!("fleet-{fleet:04}")
}

fn instance(fleet: usize, number: usize) -> String {
    format!("i-{fleet:09x}{number:08x}")
}

/// The pattern's text, of another fleet.
fn of_fleet(text: &str, fleet: usize) -> String {
    let name = name(fleet);
    let numbered = |prefix: &str| format!("{prefix}{fleet:016x}");
    text.replace("app-", &format!("{name}-"))
        .replace(">app<", &format!(">{name}<"))
        .replace("/app/app/", &format!("/app/{name}/"))
        // The last digit tells the colors apart.
        .replace("lt-0123456789abcdef", &numbered("lt-"))
        .replace("ami-0123456789abcdef", &numbered("ami-"))
}

/// The pattern's text, of another instance.
fn of_instance(text: &str, fleet: usize, number: usize) -> String {
    text.replace("i-0aa11bb22cc33dd44", &instance(fleet, number))
}

/// What stands before an element, in it, and after it.
fn cut<'a>(text: &'a str, element: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (before, rest) = text.split_once(&format!("<{element}>"))?;
    let (within, after) = rest.rsplit_once(&format!("</{element}>"))?;
    Some((before, within, after))
}

/// The text of the first element of that name.
fn within<'a>(text: &'a str, element: &str) -> anyhow::Result<&'a str> {
    let rest = text.split_once(&format!("<{element}>")).map(|(_, rest)| rest);
    let within = rest.and_then(|rest| rest.split_once(&format!("</{element}>"))).map(|(within, _)| within);
    within.with_context(|| format!("no {element}"))
}

/// The elements of that name, each whole, and none of those within them.
fn children<'a>(text: &'a str, element: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let mut children = Vec::new();
    let (mut depth, mut begin, mut at) = (0_usize, 0, 0);
    while let Some(rest) = text.get(at..) {
        let Some(offset) = rest.find('<') else { break };
        at += offset;
        let tag = text.get(at..).unwrap_or_default();
        if tag.starts_with(&open) {
            if depth == 0 {
                begin = at;
            }
            depth += 1;
        } else if tag.starts_with(&close) {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                children.extend(text.get(begin..at + close.len()));
            }
        }
        at += 1;
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { fleets: 60, instances: 3 };

    fn load_generator(broken_at: Option<Timestamp>) -> LoadGenerator {
        LoadGenerator::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("stub"), SIZE, broken_at).unwrap()
    }

    fn asked(action: &str, fields: Value) -> Asked {
        Asked { action: action.to_owned(), said: fields.to_string(), fields }
    }

    fn body(load_generator: &LoadGenerator, service: &str, action: &str, fields: Value) -> String {
        String::from_utf8(load_generator.answer(service, &asked(action, fields)).unwrap().body.to_vec()).unwrap()
    }

    #[test]
    fn only_what_is_named_is_listed() {
        let load_generator = load_generator(None);
        let groups = |fields| {
            let text = body(&load_generator, "autoscaling", "DescribeAutoScalingGroups", fields);
            let (_, groups, _) = cut(&text, "AutoScalingGroups").unwrap();
            children(groups, "member")
                .iter()
                .map(|group| within(group, "AutoScalingGroupName").unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            groups(json!({"Filters.member.1.Values.member.1": "fleet-0007"})),
            ["fleet-0007-blue", "fleet-0007-green"]
        );
        assert_eq!(groups(json!({"AutoScalingGroupNames.member.1": "fleet-0007-green"})), ["fleet-0007-green"]);
        let ids = body(&load_generator, "ec2", "DescribeInstances", json!({"Filter.1.Value.1": "i-00000000700000002"}));
        assert_eq!(ids.matches("<instanceId>").count(), 1);
        assert!(
            ids.contains("<instanceId>i-00000000700000002</instanceId>") && ids.contains("fleet-0007-blue"),
            "{ids}"
        );
        let nobody = load_generator.answer("ec2", &asked("DescribeInstances", json!({"Filter.1.Value.1": "i-0"})));
        assert_eq!(nobody, None);
    }

    #[test]
    fn a_group_has_as_many_instances_as_its_sizes_say_and_an_empty_one_stays_empty() {
        let load_generator = load_generator(None);
        let text = body(&load_generator, "autoscaling", "DescribeAutoScalingGroups", json!({"of": "fleet-0000"}));
        assert_eq!(text.matches("<InstanceId>").count(), 3);
        for part in ["<MinSize>3</MinSize>", "<MaxSize>6</MaxSize>", "<MinSize>0</MinSize>", "<MaxSize>10</MaxSize>"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let targets =
            body(&load_generator, "elasticloadbalancing", "DescribeTargetHealth", json!({"of": "x/fleet-0000-blue/y"}));
        assert_eq!(targets.matches("<Id>").count(), 3);
    }

    #[test]
    fn all_come_by_pages() {
        let load_generator = load_generator(Some(Timestamp::UNIX_EPOCH));
        let pages = [json!({}), json!({"NextToken": "100"})];
        let counts = pages.map(|page| {
            let text = body(&load_generator, "autoscaling", "DescribeAutoScalingGroups", page.clone());
            let verdicts = body(&load_generator, "config", "GetComplianceDetailsByConfigRule", page);
            let verdicts: Value = serde_json::from_str(&verdicts).unwrap();
            let count = verdicts["EvaluationResults"].as_array().unwrap().len();
            (
                text.matches("<AutoScalingGroupName>").count(),
                text.contains("<NextToken>100<"),
                count,
                verdicts["NextToken"] == "100",
            )
        });
        assert_eq!(counts, [(100, true, 100, true), (20, false, 80, false)]);
    }

    #[test]
    fn a_name_is_found_in_what_is_neither_json_nor_a_form() {
        let load_generator = load_generator(None);
        let asked =
            Asked { action: "DescribeAlarms".to_owned(), fields: Value::Null, said: "nfleet-0003-5xx".to_owned() };
        let body = load_generator.answer("monitoring", &asked).unwrap().body;
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(text.contains("fleet-0003-5xx") && !text.contains("app-5xx"), "{text}");
    }
}
