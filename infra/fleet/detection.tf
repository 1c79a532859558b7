# What stops a bad cutover, and what finds drift.

variable "guard_alarms" {
  description = "Alarms that send a cutover back: answers with status 5xx, in percent of the requests, from `min_requests` a period on; and, where set, the 95th percentile of the response time. One of each for every color, or for the target group that both share. Without a load balancer: failed status checks of each group. `null` makes none."
  type = object({
    error_percent      = optional(number, 5)
    min_requests       = optional(number, 20)
    latency_seconds    = optional(number)
    period_seconds     = optional(number, 60)
    evaluation_periods = optional(number, 2)
    topic_arns         = optional(list(string), [])
  })
  default = {}

  validation {
    condition     = var.guard_alarms == null ? true : var.guard_alarms.error_percent > 0 && var.guard_alarms.error_percent <= 100
    error_message = "guard_alarms.error_percent is above 0 and at most 100."
  }

  validation {
    condition     = var.guard_alarms == null ? true : contains([60, 120, 180, 300], var.guard_alarms.period_seconds) && var.guard_alarms.evaluation_periods >= 1 && var.guard_alarms.evaluation_periods <= 5
    error_message = "guard_alarms.period_seconds is 60, 120, 180 or 300, and evaluation_periods 1 to 5: every step of a cutover lasts at least as long as both together."
  }

  validation {
    condition     = var.guard_alarms == null ? true : var.guard_alarms.latency_seconds == null ? true : var.guard_alarms.latency_seconds > 0 && var.target != null
    error_message = "guard_alarms.latency_seconds is above 0, and needs a target: only a load balancer measures it."
  }
}

variable "approved_images" {
  description = "Makes the Config rule APPROVED_AMIS_BY_TAG for this fleet's instances, and counts its findings as drift: an instance whose image does not carry the tag is replaced. By a tag and never by ids: a list of ids is out of date at every release. Needs a recorder (see `modules/detection`). The value defaults to the fleet's name."
  type = object({
    tag_key   = optional(string, "approved-for")
    tag_value = optional(string)
  })
  default = null

  validation {
    condition     = var.approved_images == null ? true : can(regex("^[A-Za-z0-9_./=+@-]+$", var.approved_images.tag_key)) && can(regex("^[A-Za-z0-9_./=+@-]+$", coalesce(var.approved_images.tag_value, var.name)))
    error_message = "approved_images.tag_key and tag_value have letters, digits and _./=+@- only: the rule joins them with a colon, and several with a comma."
  }
}

locals {
  approved_images_rule = "${var.name}-approved-images"

  # The scope of an alarm: one color, or what both colors share.
  guarded = var.guard_alarms == null ? {} : var.target == null ? { for key, group in local.groups : key => group.name } : { for key in local.target_groups : key => contains(["blue", "green"], key) ? "${var.name}-${key}" : var.name }

  error_alarms        = var.target == null ? {} : { for key, name in local.guarded : key => "${name}-errors" }
  latency_alarms      = var.target == null || try(var.guard_alarms.latency_seconds, null) == null ? {} : { for key, name in local.guarded : key => "${name}-latency" }
  status_check_alarms = var.target == null ? { for key, name in local.guarded : key => "${name}-status-checks" } : {}

  own_alarms = concat(values(local.error_alarms), values(local.latency_alarms), values(local.status_check_alarms))
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = local.error_alarms

  alarm_name          = each.value
  alarm_description   = "More than ${var.guard_alarms.error_percent} % of the requests to ${each.value} are answered with 5xx: sends a cutover back."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.guard_alarms.error_percent
  evaluation_periods  = var.guard_alarms.evaluation_periods
  # Without requests there is no data, and an idle color has none.
  treat_missing_data = "notBreaching"
  alarm_actions      = var.guard_alarms.topic_arns
  ok_actions         = var.guard_alarms.topic_arns

  metric_query {
    id          = "share"
    label       = "errors in percent"
    expression  = "IF(requests >= ${var.guard_alarms.min_requests}, 100 * FILL(errors, 0) / requests, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { errors = "HTTPCode_Target_5XX_Count", requests = "RequestCount" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        period      = var.guard_alarms.period_seconds
        stat        = "Sum"
        dimensions = {
          LoadBalancer = local.load_balancer_dimension
          TargetGroup  = aws_lb_target_group.this[each.key].arn_suffix
        }
      }
    }
  }

  tags = var.tags
}

resource "aws_cloudwatch_metric_alarm" "latency" {
  for_each = local.latency_alarms

  alarm_name          = each.value
  alarm_description   = "One in twenty requests to ${each.value} takes longer than ${var.guard_alarms.latency_seconds} s: sends a cutover back."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.guard_alarms.latency_seconds
  evaluation_periods  = var.guard_alarms.evaluation_periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.guard_alarms.topic_arns
  ok_actions          = var.guard_alarms.topic_arns

  namespace          = "AWS/ApplicationELB"
  metric_name        = "TargetResponseTime"
  extended_statistic = "p95"
  # A percentile of a handful of requests says nothing.
  evaluate_low_sample_count_percentiles = "ignore"
  period                                = var.guard_alarms.period_seconds
  dimensions = {
    LoadBalancer = local.load_balancer_dimension
    TargetGroup  = aws_lb_target_group.this[each.key].arn_suffix
  }

  tags = var.tags
}

resource "aws_cloudwatch_metric_alarm" "status_checks" {
  for_each = local.status_check_alarms

  alarm_name          = each.value
  alarm_description   = "An instance of ${each.value} fails its status checks: sends a cutover back."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = var.guard_alarms.evaluation_periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.guard_alarms.topic_arns
  ok_actions          = var.guard_alarms.topic_arns

  namespace   = "AWS/EC2"
  metric_name = "StatusCheckFailed"
  statistic   = "Maximum"
  period      = var.guard_alarms.period_seconds
  dimensions = {
    AutoScalingGroupName = local.groups[each.key].name
  }

  tags = var.tags
}

resource "aws_config_config_rule" "approved_images" {
  count = var.approved_images == null ? 0 : 1

  name        = local.approved_images_rule
  description = "Instances of the fleet ${var.name} run an image that was approved for it."

  source {
    owner             = "AWS"
    source_identifier = "APPROVED_AMIS_BY_TAG"
  }

  input_parameters = jsonencode({
    amisByTagKeyAndValue = "${var.approved_images.tag_key}:${coalesce(var.approved_images.tag_value, var.name)}"
  })

  # The tag that every instance of the fleet gets from its launch template.
  scope {
    tag_key   = "Fleet"
    tag_value = var.name
  }

  tags = var.tags
}
