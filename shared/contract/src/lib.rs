//! The contracts of the ports: the facts about AWS on which the production loop relies. Each contract is an `async fn`
//! over any [`World`]. The simulator and, on the local stack, the production adapters must fulfil the same contracts,
//! so that neither can diverge from the other.
//!
//! A world with a known difference from AWS declares the difference ([`World::differs`]), and the result prints the
//! reason. If the contract holds although a difference is declared, that is an error: the declaration is outdated.
//!
//! For tests only: no deployed crate depends on it.

mod balancers;
mod commits;
mod facts;
mod instances;
mod leases;
mod shared;
mod sizes;
mod support;
mod templates;
mod watchers;
mod world;

use std::fmt;

pub use world::{Color, Fleet, FleetSpec, Launches, World};

/// The result of checking one contract.
#[derive(Debug)]
pub struct ContractResult {
    /// The name of the contract, which states the fact.
    pub contract: &'static str,
    pub found: Found,
}

/// Whether a contract holds in a world.
#[derive(Debug)]
pub enum Found {
    Holds,
    /// The contract does not hold, and the world declares the difference.
    Differs {
        /// The reason for the difference from AWS.
        why: &'static str,
    },
    /// The contract holds although the world declares a difference.
    OutOfDate,
    Broken(anyhow::Error),
}

impl ContractResult {
    /// Whether the contract holds, or does not hold as the world declares.
    pub const fn is_fine(&self) -> bool {
        matches!(self.found, Found::Holds | Found::Differs { .. })
    }
}

impl fmt::Display for ContractResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.contract.replace('_', " ");
        match &self.found {
            Found::Holds => write!(formatter, "holds    {name}"),
            Found::Differs { why } => write!(formatter, "differs  {name}: {why}"),
            Found::OutOfDate => write!(formatter, "OUTDATED {name}: it holds, so take it off the list of what differs"),
            Found::Broken(error) => write!(formatter, "BROKEN   {name}: {error:#}"),
        }
    }
}

macro_rules! contracts {
    ($($module:ident: $($name:ident),+ $(,)?;)+) => {
        /// The names of all contracts.
        pub const NAMES: &[&str] = &[$($(stringify!($name)),+),+];

        /// Checks every contract in a world, one after the other.
        pub async fn hold<W: World>(world: &W) -> Vec<ContractResult> {
            // Each future is boxed: one future with all of them would overflow the stack.
            vec![$($(checked(world, stringify!($name), Box::pin($module::$name(world)).await)),+),+]
        }
    };
}

fn checked<W: World>(world: &W, contract: &'static str, held: anyhow::Result<()>) -> ContractResult {
    let found = match (held, world.differs(contract)) {
        (Ok(()), None) => Found::Holds,
        (Ok(()), Some(_)) => Found::OutOfDate,
        (Err(_), Some(why)) => Found::Differs { why },
        (Err(error), None) => Found::Broken(error),
    };
    ContractResult { contract, found }
}

contracts! {
    leases:
        a_lease_is_held_by_one_holder_until_its_very_end,
        each_holder_has_a_higher_fence_also_the_same_one_again,
        a_lease_is_given_back_once_and_only_by_its_holder,
        a_lease_that_is_over_and_that_nobody_took_can_be_given_back,
        a_request_that_came_since_the_lease_was_read_keeps_it_from_being_given_back,
        the_next_request_is_remembered_and_only_an_earlier_one_is_claimed,
        times_are_kept_in_milliseconds,
        of_several_that_ask_at_once_one_gets_the_lease;
    facts:
        a_fact_is_stored_with_its_key_and_only_a_newer_one_takes_its_place,
        only_a_fact_that_is_stored_counts_a_request,
        a_fact_is_consumed_once_and_others_stay,
        a_fact_that_can_wait_counts_no_request_and_is_known_after_it_was_consumed,
        what_was_heard_and_the_request_on_its_way_are_remembered,
        so_many_looks_are_taken_on_the_spot_in_a_minute_and_none_more,
        a_fact_that_came_since_the_lease_was_read_is_not_dropped_unread,
        facts_that_come_at_once_are_all_stored_and_all_counted;
    commits:
        the_first_record_is_committed_where_none_is_and_read_back_as_it_was,
        a_record_that_is_not_the_one_that_was_read_is_not_replaced,
        a_commit_needs_the_lease_until_its_very_end,
        a_commit_with_an_older_fence_changes_nothing,
        a_commit_that_is_repeated_is_a_conflict_and_changes_nothing,
        of_several_commits_at_once_one_stands,
        notifications_wait_in_the_outbox_in_their_order_until_they_are_told,
        it_is_remembered_who_was_told_of_a_notification_until_all_are,
        events_are_committed_with_their_lines_and_wait_until_they_are_put_out,
        rules_that_an_instance_began_to_break_are_known_to_every_fleet;
    shared:
        slots_are_taken_up_to_the_limit_kept_and_given_back,
        slots_taken_at_once_are_not_more_than_the_limit,
        a_freeze_concerns_its_fleet_or_all_of_them,
        the_index_knows_what_it_was_told_and_nothing_else,
        a_fingerprint_is_remembered_until_the_next_one,
        a_fleet_is_open_while_it_has_a_fact_a_notification_a_slot_or_in_progress_work;
    sizes:
        a_group_is_described_as_it_was_made,
        groups_that_are_not_there_are_absent_from_every_answer,
        whatever_is_written_to_a_group_that_is_not_there_it_is_gone,
        a_group_that_is_not_there_is_gone_to_attachments_too,
        a_minimum_above_the_size_raises_it_and_one_above_the_maximum_is_refused,
        a_maximum_below_the_size_lowers_it_and_one_below_the_minimum_is_refused,
        a_desired_capacity_is_taken_at_the_bounds_and_refused_beyond_them,
        a_group_that_is_emptied_keeps_its_maximum_and_none_of_its_instances;
    instances:
        a_launch_adds_one_instance_where_it_was_asked_for_and_once_for_a_token,
        a_launch_beyond_the_maximum_is_refused_and_launches_nothing,
        a_launch_without_room_fails_with_the_reason_and_leaves_the_size,
        a_launch_that_the_endpoint_does_not_offer_is_unsupported,
        a_token_of_a_launch_is_good_for_no_other_launch,
        while_launches_are_suspended_the_size_is_not_reached,
        what_a_person_terminates_is_made_up_for,
        a_termination_lowers_the_size_or_is_made_up_for,
        a_termination_that_would_go_below_the_minimum_is_refused,
        a_termination_is_done_once_and_what_is_gone_is_gone,
        protection_is_switched_and_does_not_keep_from_a_termination_by_id,
        only_what_is_in_service_and_of_the_group_is_protected,
        what_is_set_aside_leaves_its_target_group_and_the_size_and_can_be_terminated,
        what_is_set_aside_and_kept_in_the_size_is_made_up_for,
        nothing_is_set_aside_that_would_leave_less_than_the_minimum,
        ec2_knows_an_instance_by_its_image_template_and_launch_and_for_a_while_after_its_end,
        a_person_protects_an_instance_by_its_tag;
    templates:
        a_template_version_is_written_once_for_a_token_and_says_what_its_base_says_but_for_the_image,
        a_version_of_one_color_is_written_on_the_base_of_the_other_where_both_say_the_same,
        what_a_person_writes_to_one_color_alone_is_no_base_for_the_other,
        a_group_takes_a_version_and_its_new_instances_run_it,
        template_versions_that_do_not_exist_are_absent_and_no_base,
        a_token_of_a_template_version_is_good_for_no_other_version,
        images_are_found_by_their_tag_and_by_their_id,
        an_instance_refresh_is_started_once_and_sent_back_once;
    balancers:
        weights_are_read_as_they_were_made_and_as_they_were_written,
        weights_are_written_only_over_those_that_were_decided_on,
        stickiness_is_written_with_the_weights_and_read_back,
        a_rule_that_forwards_to_one_target_group_counts_as_weight_one_and_is_a_place_of_its_own,
        a_forward_action_that_is_not_there_is_gone,
        a_target_group_that_is_gone_has_nothing_and_hides_no_other,
        targets_are_healthy_then_unhealthy_then_gone,
        a_target_group_that_nothing_forwards_to_has_no_forward_and_its_targets_are_unused,
        what_is_attached_is_registered_and_what_is_detached_keeps_running,
        a_target_group_has_the_settings_that_aws_gives_it;
    watchers:
        config_tells_who_breaks_a_rule_now_and_which_rules_it_does_not_know,
        alarms_are_found_by_name_and_by_prefix_with_what_they_watch,
        a_request_may_be_delayed_by_up_to_fifteen_minutes;
}
