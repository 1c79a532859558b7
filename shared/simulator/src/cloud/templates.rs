//! Launch templates, and the description of a group that a describe call returns.

use driftless_planner::ids::{GroupName, ImageId, TemplateId};
use driftless_planner::observation::{Group, Lifecycle, Member};
use driftless_planner::template::{TemplateContent, TemplateVersion};
use jiff::SignedDuration;

use super::Cloud;
use super::state::{Instance, Life};

/// Number of earlier descriptions that the simulator keeps for a group.
const PAST_MAX: usize = 12;

impl Cloud {
    /// The number of the newest version of a launch template.
    pub(super) fn newest(&self, template: &TemplateId) -> Option<u64> {
        let versions = self.templates.keys().filter(|version| version.template == *template);
        versions.map(|version| version.version).max()
    }

    /// Writes a launch template version: the base version with another image. Calls with the same token write only one
    /// version.
    pub(super) fn write_version(
        &mut self,
        template: &TemplateId,
        base: &TemplateVersion,
        image: &ImageId,
        token: &str,
    ) -> Option<TemplateVersion> {
        let is_known = |content: &TemplateContent| content.written_for.as_deref() == Some(token);
        if let Some((version, _)) = self.templates.iter().find(|(_, content)| is_known(content)) {
            return Some(version.clone());
        }
        let settings = self.templates.get(base)?.settings.clone();
        let number = self.newest(template)? + 1;
        let version = TemplateVersion { template: template.clone(), version: number };
        let content = TemplateContent { image: Some(image.clone()), written_for: Some(token.to_owned()), settings };
        self.templates.insert(version.clone(), content);
        Some(version)
    }

    /// The description of a group in its current state.
    pub(super) fn described(&self, name: &GroupName) -> Option<Group> {
        let group = self.groups.get(name)?;
        Some(Group {
            name: name.clone(),
            tags: group.tags.clone(),
            min: group.min,
            max: group.max,
            desired: group.desired,
            template: group.template.clone(),
            members: self.members(name).map(member).collect(),
            target_groups: group.target_groups.clone(),
            attachment_api: group.attachment_api,
            suspended: group.suspended.clone(),
            warm_up: group.warm_up,
            protects_new_instances: false,
            unsupported: Vec::new(),
            deleting: false,
        })
    }

    /// Adds the current description of a group to its earlier descriptions, for reads with a lag.
    pub(super) fn touch(&mut self, name: &GroupName) {
        let Some(described) = self.described(name) else { return };
        let now = self.now;
        if let Some(group) = self.groups.get_mut(name) {
            group.past.push_back((now, described));
            if group.past.len() > PAST_MAX {
                group.past.pop_front();
            }
        }
    }

    /// Executes one read with this lag instead of the usual one.
    pub(crate) fn trailing<T>(&mut self, lag: SignedDuration, read: impl FnOnce(&mut Self) -> T) -> T {
        let usual = std::mem::replace(&mut self.lag, lag);
        let answer = read(self);
        self.lag = usual;
        answer
    }

    /// The description of a group as a describe call returns it: older than now by the lag.
    pub(super) fn seen(&self, name: &GroupName) -> Option<Group> {
        if self.lag.is_zero() {
            return self.described(name);
        }
        let as_of = self.now - self.lag;
        let past = &self.groups.get(name)?.past;
        let known = past.iter().rev().find(|(at, _)| *at <= as_of).or_else(|| past.front());
        known.map(|(_, group)| group.clone()).or_else(|| self.described(name))
    }
}

fn member(instance: &Instance) -> Member {
    Member {
        id: instance.id.clone(),
        zone: instance.zone.clone(),
        lifecycle: match instance.life {
            Life::Pending => Lifecycle::Pending,
            Life::InService => Lifecycle::InService,
            Life::Standby => Lifecycle::Standby,
            Life::Terminating | Life::Gone => Lifecycle::Terminating,
        },
        healthy: instance.healthy,
        template: instance.template.clone(),
        image_override: None,
        protected: instance.protected,
    }
}
