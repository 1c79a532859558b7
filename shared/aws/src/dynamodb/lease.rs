//! The lease of a fleet: item `LEASE`. It counts reconcile requests too, so that one write releases the lease and misses no request.

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

/// How often the claim of a request is tried, as often as the SDK tries other calls.
const CLAIM_ATTEMPTS: u32 = 3;

/// Rows of a shape that this code does not know are left alone.
const KNOWN_SHAPE: &str = "(attribute_not_exists(schema_version) OR schema_version = :schema)";

/// What a conditional write to the lease came to.
enum Written {
    /// Done; the item as it is now.
    Yes(Item),
    /// Its condition does not hold; the item as it is, if there is one.
    No(Option<Item>),
}

impl Table<'_> {
    /// Takes the lease, if it is free, over, or ours already.
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

    /// Gives the lease back, unless requests came since it was read.
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
                // An end that has passed changes nothing as long as nobody else came: every commit checks it anyway.
                if row.holder.as_ref() == Some(&lease.holder) && row.fence == lease.fence {
                    Ok(Released::Requested(self::lease(&lease.fleet, row)?))
                } else {
                    Ok(Released::Lost)
                }
            }
        }
    }

    /// Claims a delayed request, unless an earlier one is on its way. One whose time has passed is not: it came, or was
    /// lost.
    ///
    /// The claim may be made and only its answer lost. Then the next attempt finds a request for the very time, which is
    /// taken for our own: if it is someone else's after all, one too many is sent, and none is missed.
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
        // Without the SDK's own attempts: it would not tell that the answer to an earlier one was lost.
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
            // The holder without another read.
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

/// The row of a lock item.
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
