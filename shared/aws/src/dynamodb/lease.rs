//! The lease of a fleet, in the item `LEASE`. The same item counts reconcile requests, so that one conditional write
//! releases the lease only when no new request was counted.

use aws_sdk_dynamodb::config::Builder as ConfigOverride;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use driftless_planner::ids::FleetName;
use driftless_reconciler::ports::{Acquired, CallErrorKind, CallResult, Lease, Released};
use jiff::Timestamp;

use crate::dynamodb::Table;
use crate::dynamodb::items::{number, string};
use crate::dynamodb::rows::{
    Item, LOCK, LeaseRow, SCHEMA_VERSION, fleet_key, from_item, from_milliseconds, key, milliseconds,
};
use crate::error::{call_error, required};

const UPDATE: &str = "dynamodb:UpdateItem";

/// The most attempts to claim a request, which equal those that the SDK makes of other calls.
const CLAIM_ATTEMPTS: u32 = 3;

/// The condition that the item does not exist or has the schema version of this code. It keeps items with another
/// version from being overwritten.
const KNOWN_SHAPE: &str = "(attribute_not_exists(schema_version) OR schema_version = :schema)";

/// The result of a conditional write to the lease.
enum Written {
    /// The write took place. Holds the item after the write.
    Yes(Item),
    /// The condition failed. Holds the current item, if there is one.
    No(Option<Item>),
}

impl Table<'_> {
    /// Acquires the lease if it is free, if it has ended, or if the caller already holds it. Raises its fencing number.
    pub(crate) async fn acquire(
        &self,
        fleet: &FleetName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> CallResult<Acquired> {
        let update = "SET holder = :me, until_ms = :until, schema_version = :schema, \
                      fence = if_not_exists(fence, :zero) + :one";
        let condition = format!("{KNOWN_SHAPE} AND (attribute_not_exists(holder) OR until_ms <= :now OR holder = :me)");
        let values = [
            (":me", string(holder)),
            (":now", milliseconds(now)),
            (":until", milliseconds(until)),
            (":schema", number(SCHEMA_VERSION)),
            (":zero", number(0_u64)),
            (":one", number(1_u64)),
        ];
        match self.write_lease(fleet, update, &condition, &values).await? {
            Written::Yes(item) => Ok(Acquired::Held(lease(fleet, lock(item)?)?)),
            Written::No(item) => {
                let row = lock(required(UPDATE, "Item", item)?)?;
                let until = required(UPDATE, "until_ms", row.until_ms)?;
                Ok(Acquired::Busy { until: from_milliseconds(UPDATE, "until_ms", until)? })
            }
        }
    }

    /// Releases the lease if the caller still holds it, unless requests were counted since the caller read it.
    pub(crate) async fn release(&self, lease: &Lease, next_request: Option<Timestamp>) -> CallResult<Released> {
        let condition = format!(
            "{KNOWN_SHAPE} AND holder = :me AND fence = :fence AND \
             (request_count = :requests OR (attribute_not_exists(request_count) AND :requests = :zero))"
        );
        let mut values = vec![
            (":me", string(&lease.holder)),
            (":fence", number(lease.fence)),
            (":requests", number(lease.requests)),
            (":schema", number(SCHEMA_VERSION)),
            (":zero", number(0_u64)),
        ];
        let update = if let Some(at) = next_request {
            values.push((":next", milliseconds(at)));
            "SET next_request_ms = :next REMOVE holder, until_ms"
        } else {
            "REMOVE holder, until_ms, next_request_ms"
        };
        match self.write_lease(&lease.fleet, update, &condition, &values).await? {
            Written::Yes(_) => Ok(Released::Free),
            Written::No(None) => Ok(Released::Lost),
            Written::No(Some(item)) => {
                let row = lock(item)?;
                // The lease has ended, but no other run has taken it: it is still ours. Every commit checks the end
                // anyway.
                if row.holder.as_ref() == Some(&lease.holder) && row.fence == lease.fence {
                    Ok(Released::Requested(self::lease(&lease.fleet, row)?))
                } else {
                    Ok(Released::Lost)
                }
            }
        }
    }

    /// Claims the sending of a delayed request, unless an earlier one is on the queue. A stored request whose time has
    /// passed does not count: it has arrived or is lost.
    ///
    /// If the response to a successful claim is lost, the next attempt finds a request with the same due time and
    /// counts it as its own claim. If another run made that claim, two requests are sent instead of one, and none is
    /// missed.
    pub(crate) async fn claim_request(&self, fleet: &FleetName, at: Timestamp, now: Timestamp) -> CallResult<bool> {
        let mut may_be_made = false;
        for attempt in 1..CLAIM_ATTEMPTS {
            match self.try_claim_request(fleet, at, now, may_be_made).await {
                Err(error) if matches!(error.kind, CallErrorKind::Unavailable | CallErrorKind::Throttled) => {
                    may_be_made |= error.kind == CallErrorKind::Unavailable;
                    self.wait(attempt, fleet.as_str()).await;
                }
                answer => return answer,
            }
        }
        self.try_claim_request(fleet, at, now, may_be_made).await
    }

    async fn try_claim_request(
        &self,
        fleet: &FleetName,
        at: Timestamp,
        now: Timestamp,
        may_be_made: bool,
    ) -> CallResult<bool> {
        let condition = format!(
            "{KNOWN_SHAPE} AND \
             (attribute_not_exists(next_request_ms) OR next_request_ms > :at OR next_request_ms <= :now)"
        );
        let values = [(":at", milliseconds(at)), (":now", milliseconds(now)), (":schema", number(SCHEMA_VERSION))];
        let update = "SET next_request_ms = :at, schema_version = :schema";
        // The SDK's own retries are off: they would hide that the response to an earlier attempt was lost.
        let once = || ConfigOverride::new().retry_config(RetryConfig::disabled());
        let write = || self.try_write_lease(fleet, update, &condition, &values, once());
        match self.patiently(fleet.as_str(), write).await? {
            Written::Yes(_) => Ok(true),
            Written::No(item) => {
                let known = item.map(lock).transpose()?.and_then(|row| row.next_request_ms);
                Ok(may_be_made && known == Some(at.as_millisecond()))
            }
        }
    }

    async fn write_lease(
        &self,
        fleet: &FleetName,
        update: &str,
        condition: &str,
        values: &[(&str, AttributeValue)],
    ) -> CallResult<Written> {
        let as_ever = ConfigOverride::new;
        self.patiently(fleet.as_str(), || self.try_write_lease(fleet, update, condition, values, as_ever())).await
    }

    async fn try_write_lease(
        &self,
        fleet: &FleetName,
        update: &str,
        condition: &str,
        values: &[(&str, AttributeValue)],
        config: ConfigOverride,
    ) -> CallResult<Written> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let request = self
            .client
            .update_item()
            .table_name(self.name)
            .set_key(Some(key(fleet_key(fleet), LOCK)))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllNew)
            // Returns the current holder without another read.
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.customize().config_override(config).send().await {
            Ok(answer) => Ok(Written::Yes(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(Written::No(failed.item.clone())),
                Some(_) | None => Err(call_error(UPDATE, error)),
            },
        }
    }
}

/// Parses the item of a lease.
pub(crate) fn lock(item: Item) -> CallResult<LeaseRow> {
    from_item(UPDATE, item, SCHEMA_VERSION)
}

fn lease(fleet: &FleetName, row: LeaseRow) -> CallResult<Lease> {
    let until = required(UPDATE, "until_ms", row.until_ms)?;
    Ok(Lease {
        fleet: fleet.clone(),
        holder: required(UPDATE, "holder", row.holder)?,
        fence: row.fence,
        requests: row.requests,
        next_request: row.next_request_ms.map(|at| from_milliseconds(UPDATE, "next_request_ms", at)).transpose()?,
        until: from_milliseconds(UPDATE, "until_ms", until)?,
    })
}
