# Terraform knows what to ignore only as it is written here, so that there are two resources: in the shared layout the
# attachment moves with the traffic and is Driftless's, in all others it is Terraform's.

locals {
  group_tags = merge(var.tags, local.driftless_tags)
}

resource "aws_autoscaling_group" "this" {
  for_each = local.is_shared ? {} : local.groups

  name                      = each.value.name
  vpc_zone_identifier       = var.subnet_ids
  min_size                  = each.value.is_first ? var.capacity.min : 0
  max_size                  = each.value.is_first ? var.capacity.max : 0
  desired_capacity          = each.value.is_first ? local.initial_size : 0
  target_group_arns         = [for key, group in aws_lb_target_group.this : group.arn if key == each.key]
  health_check_type         = var.target == null ? "EC2" : "ELB"
  health_check_grace_period = var.health_check_grace_seconds
  default_instance_warmup   = var.warmup_seconds
  wait_for_capacity_timeout = var.wait_for_capacity_timeout

  launch_template {
    id = aws_launch_template.this[each.key].id
    # A number: a principal that may write a version must not choose by that what runs.
    version = aws_launch_template.this[each.key].latest_version
  }

  # What Auto Scaling replaces by itself, for its health, gets its replacement instance first too.
  instance_maintenance_policy {
    min_healthy_percentage = 100
    max_healthy_percentage = 110
  }

  dynamic "tag" {
    for_each = merge(local.group_tags, each.value.color == null ? {} : { "driftless:color" = each.value.color })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false
    }
  }

  tag {
    key                 = "Name"
    value               = each.value.name
    propagate_at_launch = true
  }

  lifecycle {
    # Driftless's: the bounds, which travel with the traffic, the size, and the version of the template.
    ignore_changes = [min_size, max_size, desired_capacity, launch_template[0].version]
  }

  # Instances ask for their permissions when they start, and leave before the target group does.
  depends_on = [aws_iam_role_policy_attachment.instance, aws_lb_listener.weighted, aws_lb_listener.single, aws_lb_listener_rule.weighted, aws_lb_listener_rule.single]
}

resource "aws_autoscaling_group" "shared" {
  for_each = local.is_shared ? local.groups : {}

  name                      = each.value.name
  vpc_zone_identifier       = var.subnet_ids
  min_size                  = each.value.is_first ? var.capacity.min : 0
  max_size                  = each.value.is_first ? var.capacity.max : 0
  desired_capacity          = each.value.is_first ? local.initial_size : 0
  target_group_arns         = each.value.is_first ? [aws_lb_target_group.this["shared"].arn] : []
  health_check_type         = "ELB"
  health_check_grace_period = var.health_check_grace_seconds
  default_instance_warmup   = var.warmup_seconds
  wait_for_capacity_timeout = var.wait_for_capacity_timeout

  launch_template {
    id      = aws_launch_template.this[each.key].id
    version = aws_launch_template.this[each.key].latest_version
  }

  instance_maintenance_policy {
    min_healthy_percentage = 100
    max_healthy_percentage = 110
  }

  dynamic "tag" {
    for_each = merge(local.group_tags, { "driftless:color" = each.value.color })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false
    }
  }

  tag {
    key                 = "Name"
    value               = each.value.name
    propagate_at_launch = true
  }

  lifecycle {
    # As above, and the attachment: the idle color rests detached.
    ignore_changes = [min_size, max_size, desired_capacity, launch_template[0].version, target_group_arns]
  }

  depends_on = [aws_iam_role_policy_attachment.instance, aws_lb_listener.single, aws_lb_listener_rule.single]
}

locals {
  autoscaling_groups = merge(aws_autoscaling_group.this, aws_autoscaling_group.shared)
}

resource "aws_autoscaling_policy" "cpu" {
  for_each = var.scaling.cpu_percent == null ? {} : local.groups

  name                   = "${each.value.name}-cpu"
  autoscaling_group_name = local.autoscaling_groups[each.key].name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.scaling.cpu_percent

    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}

resource "aws_autoscaling_policy" "requests" {
  for_each = var.scaling.requests_per_target == null ? {} : local.groups

  name                   = "${each.value.name}-requests"
  autoscaling_group_name = local.autoscaling_groups[each.key].name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.scaling.requests_per_target

    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${local.load_balancer_dimension}/${local.is_shared ? aws_lb_target_group.this["shared"].arn_suffix : aws_lb_target_group.this[each.key].arn_suffix}"
    }
  }
}
