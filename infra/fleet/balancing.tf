resource "aws_lb_target_group" "this" {
  for_each = local.target_groups

  name                 = contains(["blue", "green"], each.key) ? "${local.short_name}-${each.key}" : local.short_name
  vpc_id               = var.target.vpc_id
  port                 = var.target.port
  protocol             = var.target.protocol
  target_type          = "instance"
  deregistration_delay = var.target.deregistration_delay_seconds
  slow_start           = var.target.slow_start_seconds

  health_check {
    path                = var.target.health_path
    matcher             = var.target.health_matcher
    interval            = var.target.health_interval_seconds
    timeout             = var.target.health_timeout_seconds
    healthy_threshold   = var.target.healthy_threshold
    unhealthy_threshold = var.target.unhealthy_threshold
  }

  stickiness {
    type            = "lb_cookie"
    enabled         = var.target.stickiness_seconds > 0
    cookie_duration = var.target.stickiness_seconds > 0 ? var.target.stickiness_seconds : 86400
  }

  tags = local.marked
}

# Again two resources for each way, because of what they ignore: where two target groups share the traffic the weights
# are Driftless's, and a single target group has none. The idle color stays in the action with weight 0: a target group
# that no action names is not checked.

resource "aws_lb_listener" "weighted" {
  #checkov:skip=CKV_AWS_2:HTTPS is the default. HTTP must be set explicitly, for private networks.
  count = var.listener != null && var.layout == "weighted" ? 1 : 0

  load_balancer_arn = var.listener.load_balancer_arn
  port              = var.listener.port
  protocol          = var.listener.protocol
  certificate_arn   = var.listener.certificate_arn
  ssl_policy        = var.listener.protocol == "HTTPS" ? var.listener.ssl_policy : null

  default_action {
    type = "forward"

    forward {
      dynamic "target_group" {
        for_each = local.groups

        content {
          arn    = aws_lb_target_group.this[target_group.key].arn
          weight = target_group.value.is_first ? 100 : 0
        }
      }
    }
  }

  tags = local.marked

  lifecycle {
    # Target groups are a set with their weights, of which only the whole can be ignored.
    ignore_changes = [default_action[0].forward[0].target_group]
  }
}

resource "aws_lb_listener" "single" {
  #checkov:skip=CKV_AWS_2:HTTPS is the default. HTTP must be set explicitly, for private networks.
  count = var.listener != null && var.layout != "weighted" ? 1 : 0

  load_balancer_arn = var.listener.load_balancer_arn
  port              = var.listener.port
  protocol          = var.listener.protocol
  certificate_arn   = var.listener.certificate_arn
  ssl_policy        = var.listener.protocol == "HTTPS" ? var.listener.ssl_policy : null

  default_action {
    type             = "forward"
    target_group_arn = one([for group in aws_lb_target_group.this : group.arn])
  }

  tags = local.marked
}

resource "aws_lb_listener_rule" "weighted" {
  count = var.rule != null && var.layout == "weighted" ? 1 : 0

  listener_arn = var.rule.listener_arn
  priority     = var.rule.priority

  action {
    type = "forward"

    forward {
      dynamic "target_group" {
        for_each = local.groups

        content {
          arn    = aws_lb_target_group.this[target_group.key].arn
          weight = target_group.value.is_first ? 100 : 0
        }
      }
    }
  }

  dynamic "condition" {
    for_each = length(var.rule.host_headers) > 0 ? [var.rule.host_headers] : []

    content {
      host_header {
        values = condition.value
      }
    }
  }

  dynamic "condition" {
    for_each = length(var.rule.path_patterns) > 0 ? [var.rule.path_patterns] : []

    content {
      path_pattern {
        values = condition.value
      }
    }
  }

  tags = local.marked

  lifecycle {
    ignore_changes = [action[0].forward[0].target_group]
  }
}

resource "aws_lb_listener_rule" "single" {
  count = var.rule != null && var.layout != "weighted" ? 1 : 0

  listener_arn = var.rule.listener_arn
  priority     = var.rule.priority

  action {
    type             = "forward"
    target_group_arn = one([for group in aws_lb_target_group.this : group.arn])
  }

  dynamic "condition" {
    for_each = length(var.rule.host_headers) > 0 ? [var.rule.host_headers] : []

    content {
      host_header {
        values = condition.value
      }
    }
  }

  dynamic "condition" {
    for_each = length(var.rule.path_patterns) > 0 ? [var.rule.path_patterns] : []

    content {
      path_pattern {
        values = condition.value
      }
    }
  }

  tags = local.marked
}

locals {
  # `app/<name>/<id>`, as the dimensions of metrics have it.
  load_balancer_dimension = (
    var.listener != null ? join("/", slice(split("/", var.listener.load_balancer_arn), 1, 4)) :
    var.rule != null ? join("/", slice(split("/", var.rule.listener_arn), 1, 4)) :
    null
  )
}
