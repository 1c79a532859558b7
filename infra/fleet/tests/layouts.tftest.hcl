# What each layout makes, without AWS: the provider is mocked.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }

  mock_resource "aws_lb_target_group" {
    defaults = {
      arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web/0123456789abcdef"
      arn_suffix = "targetgroup/web/0123456789abcdef"
    }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/0123456789abcdef/0123456789abcdef" }
  }

  mock_resource "aws_lb_listener_rule" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/web/0123456789abcdef/0123456789abcdef/0123456789abcdef" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/driftless-fleet-web" }
  }
}

variables {
  name               = "web"
  capacity           = { min = 2, max = 6 }
  image_id           = "ami-0123456789abcdef0"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
  target             = { vpc_id = "vpc-1" }
  listener = {
    load_balancer_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/web/0123456789abcdef"
    port              = 80
    protocol          = "HTTP"
  }
}

run "weighted_pair" {
  assert {
    condition     = { for key, group in aws_autoscaling_group.this : key => [group.min_size, group.desired_capacity, group.max_size] } == { blue = [2, 2, 6], green = [0, 0, 0] }
    error_message = "The live color has the fleet's bounds, and the idle one none: no policy and no schedule can start anything there."
  }

  assert {
    condition     = length(aws_autoscaling_group.shared) == 0 && length(aws_lb_target_group.this) == 2 && length(aws_lb_listener.weighted) == 1
    error_message = "Each color has a target group of its own, and one listener names both."
  }

  assert {
    condition     = sort([for group in aws_lb_listener.weighted[0].default_action[0].forward[0].target_group : group.weight]) == sort([100, 0])
    error_message = "Everything goes to the first color, and the other one is named with weight 0, or it would never be checked."
  }

  assert {
    condition     = alltrue([for group in aws_autoscaling_group.this : group.launch_template[0].version == "1"])
    error_message = "The version of the launch template is a number."
  }

  assert {
    condition = alltrue([for group in aws_autoscaling_group.this : alltrue([
      for tag in group.tag : tag.propagate_at_launch == false if startswith(tag.key, "driftless:")
    ])])
    error_message = "Driftless's tags stay on the groups: backups inherit the tags of an instance."
  }

  assert {
    condition = {
      for key, group in aws_autoscaling_group.this : key => { for tag in group.tag : tag.key => tag.value if startswith(tag.key, "driftless:") }
      } == {
      for color in ["blue", "green"] : color => {
        "driftless:fleet"  = "web"
        "driftless:color"  = color
        "driftless:min"    = "2"
        "driftless:max"    = "6"
        "driftless:alarms" = "web-blue-errors;web-green-errors"
      }
    }
    error_message = "Both colors say the same policy, and only their color differs."
  }

  assert {
    condition = length(distinct([for template in aws_launch_template.this : jsonencode([
      template.instance_type,
      template.user_data,
      template.vpc_security_group_ids,
      [for profile in template.iam_instance_profile : profile.name],
      [for given in template.tag_specifications : [given.resource_type, given.tags]],
      [for options in template.metadata_options : [options.http_tokens, options.http_put_response_hop_limit, options.instance_metadata_tags]],
      [for device in template.block_device_mappings : [device.device_name, [for volume in device.ebs : [volume.volume_size, volume.volume_type, volume.encrypted]]]],
    ])])) == 1
    error_message = "The templates of both colors say the same: what describes the fleet moves from one to the other."
  }

  assert {
    condition = alltrue(flatten([for template in aws_launch_template.this : [
      template.metadata_options[0].http_tokens == "required",
      template.metadata_options[0].http_put_response_hop_limit == 1,
      alltrue([for device in template.block_device_mappings : device.ebs[0].encrypted == "true"]),
      template.key_name == null || template.key_name == "",
      template.tags["driftless:fleet"] == "web",
    ]]))
    error_message = "Version 2 of the metadata service, encrypted volumes, no key pair, and the tag that Driftless's permissions ask for."
  }

  assert {
    condition     = aws_lb_listener.weighted[0].tags["driftless:fleet"] == "web"
    error_message = "Driftless may change listeners that carry the name of the fleet."
  }

  assert {
    condition     = aws_iam_role.instance[0].name == "driftless-fleet-web" && endswith(aws_iam_role_policy_attachment.instance["session-manager"].policy_arn, ":policy/AmazonSSMManagedInstanceCore")
    error_message = "The role has a name that the stack may pass, and Session Manager."
  }

  assert {
    condition     = join(" ", output.alarm_names) == "web-blue-errors web-green-errors" && length(aws_cloudwatch_metric_alarm.errors) == 2
    error_message = "Each color has an alarm of its own."
  }
}

run "weighted_pair_behind_a_rule" {
  variables {
    listener = null
    rule = {
      listener_arn  = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shared/0123456789abcdef/fedcba9876543210"
      priority      = 10
      host_headers  = ["web.example.com"]
      path_patterns = ["/api/*"]
    }
  }

  assert {
    condition     = length(aws_lb_listener.weighted) == 0 && length(aws_lb_listener_rule.weighted) == 1 && aws_lb_listener_rule.weighted[0].tags["driftless:fleet"] == "web"
    error_message = "The rule takes the place of the listener."
  }

  assert {
    condition     = length(aws_lb_listener_rule.weighted[0].condition) == 2
    error_message = "Hosts and paths are conditions of their own."
  }
}

run "shared_target_group" {
  variables {
    layout = "shared"
  }

  assert {
    condition     = length(aws_autoscaling_group.this) == 0 && length(aws_lb_target_group.this) == 1 && length(aws_lb_listener.single) == 1
    error_message = "Both colors share one target group."
  }

  assert {
    condition     = { for key, group in aws_autoscaling_group.shared : key => length(group.target_group_arns) } == { blue = 1, green = 0 }
    error_message = "The live color is attached, and the idle one rests detached."
  }

  assert {
    condition     = join(" ", output.alarm_names) == "web-errors"
    error_message = "One target group has one alarm."
  }
}

run "pair_without_a_load_balancer" {
  variables {
    layout   = "no-load-balancer"
    target   = null
    listener = null
  }

  assert {
    condition     = length(aws_lb_target_group.this) == 0 && alltrue([for group in aws_autoscaling_group.this : group.health_check_type == "EC2"])
    error_message = "Nothing is balanced."
  }

  assert {
    condition     = join(" ", output.alarm_names) == "web-blue-status-checks web-green-status-checks" && output.forward_arn == null
    error_message = "Without a load balancer the status checks guard the cutover."
  }
}

run "single_group" {
  variables {
    layout   = "rolling"
    capacity = { min = 3, max = 6, initial = 4 }
  }

  assert {
    condition     = [for group in aws_autoscaling_group.this : [group.name, group.min_size, group.desired_capacity, group.max_size]] == [["web", 3, 4, 6]]
    error_message = "A single group is called like the fleet."
  }

  assert {
    condition     = !contains([for tag in aws_autoscaling_group.this["single"].tag : tag.key], "driftless:color")
    error_message = "A single group has no color."
  }
}

run "earlier_names_of_policy_keys_become_tags_with_the_names" {
  variables {
    policy = {
      mode          = "act"
      replace       = "quarantine"
      traffic       = "5, 100"
      weights       = "5,100"
      metrics-trail = "1m" # an old name
    }
  }

  assert {
    condition = { for tag in aws_autoscaling_group.this["blue"].tag : trimprefix(tag.key, "driftless:") => tag.value if can(regex(":(replace|strategy|traffic|weights|metrics-.*)$", tag.key)) } == {
      strategy      = "quarantine"
      weights       = "5,100"
      metrics-delay = "1m"
    }
    error_message = "Each setting is one tag, under its name."
  }
}

run "policy_becomes_tags" {
  variables {
    rules           = ["fleet-patch-compliance"]
    alarms          = ["checkout-*"]
    approved_images = {}
    policy = {
      mode      = "act"
      budget    = "10%"
      weights   = "5, 25, 100"
      window    = "Mon-Fri 09:00-16:00 Europe/Berlin; Sat,Sun 10:00-12:00 UTC"
      max-age   = "7d"
      keep-warm = "1h30m"
    }
  }

  assert {
    condition = { for tag in aws_autoscaling_group.this["green"].tag : trimprefix(tag.key, "driftless:") => tag.value if startswith(tag.key, "driftless:") } == {
      fleet     = "web"
      color     = "green"
      min       = "2"
      max       = "6"
      rules     = "web-approved-images;fleet-patch-compliance"
      alarms    = "web-blue-errors;web-green-errors;checkout-*"
      mode      = "act"
      budget    = "10%"
      weights   = "5, 25, 100"
      window    = "Mon-Fri 09:00-16:00 Europe/Berlin; Sat,Sun 10:00-12:00 UTC"
      max-age   = "7d"
      keep-warm = "1h30m"
    }
    error_message = "Each key of the policy is a tag."
  }

  assert {
    condition = (
      aws_config_config_rule.approved_images[0].source[0].source_identifier == "APPROVED_AMIS_BY_TAG" &&
      jsondecode(aws_config_config_rule.approved_images[0].input_parameters) == { amisByTagKeyAndValue = "approved-for:web" } &&
      aws_config_config_rule.approved_images[0].scope[0].tag_key == "Fleet"
    )
    error_message = "Images are approved by a tag, for this fleet's instances."
  }
}

run "nothing_stops_a_cutover_but_a_person" {
  variables {
    guard_alarms = null
    policy       = { mode = "act", approval = "manual" }
  }

  assert {
    condition     = contains([for tag in aws_autoscaling_group.this["blue"].tag : "${tag.key}=${tag.value}"], "driftless:alarms=none") && length(aws_cloudwatch_metric_alarm.errors) == 0
    error_message = "Without alarms the tag says so, or Driftless would take it for forgotten."
  }
}

run "a_long_name" {
  variables {
    name = "a-fleet-with-the-longest-name-that-there"
  }

  assert {
    condition     = alltrue([for group in aws_lb_target_group.this : length(group.name) <= 32]) && length(distinct([for group in aws_lb_target_group.this : group.name])) == 2
    error_message = "Target groups have at most 32 characters."
  }

  assert {
    condition     = length(aws_iam_role.instance[0].name) <= 64
    error_message = "Roles have at most 64 characters."
  }
}

run "scaling_follows_both_colors" {
  variables {
    scaling = { cpu_percent = 50, requests_per_target = 1000 }
  }

  assert {
    condition     = length(aws_autoscaling_policy.cpu) == 2 && length(aws_autoscaling_policy.requests) == 2
    error_message = "Each color has its policies, so that they are there when the traffic comes."
  }

  assert {
    condition     = aws_autoscaling_policy.requests["blue"].target_tracking_configuration[0].predefined_metric_specification[0].resource_label == "app/web/0123456789abcdef/targetgroup/web/0123456789abcdef"
    error_message = "Requests are counted per target group."
  }
}

run "an_instance_profile_of_your_own" {
  variables {
    instance_profile_name = "own"
  }

  assert {
    condition     = length(aws_iam_role.instance) == 0 && aws_launch_template.this["blue"].iam_instance_profile[0].name == "own" && output.instance_role_arn == null
    error_message = "Then the module makes no role."
  }
}
