# Nothing here changes with a cutover: an output that did would be a change in every plan after one.

output "name" {
  description = "Name of the fleet, as `driftless status` shows it."
  value       = var.name
}

output "group_names" {
  description = "Names of the Auto Scaling groups, by `blue` and `green`, or by `single`."
  value       = { for key, group in local.autoscaling_groups : key => group.name }
}

output "launch_template_ids" {
  description = "Launch templates, by the same keys."
  value       = { for key, template in aws_launch_template.this : key => template.id }
}

output "target_group_arns" {
  description = "Target groups, by `blue` and `green`, by `shared`, or by `single`. Empty without a load balancer."
  value       = { for key, group in aws_lb_target_group.this : key => group.arn }
}

output "forward_arn" {
  description = "The listener or the rule that forwards to the target groups. Null without a load balancer."
  value = one(concat(
    [for listener in aws_lb_listener.weighted : listener.arn],
    [for listener in aws_lb_listener.single : listener.arn],
    [for rule in aws_lb_listener_rule.weighted : rule.arn],
    [for rule in aws_lb_listener_rule.single : rule.arn],
  ))
}

output "instance_role_arn" {
  description = "Role of the instances. Null where you brought the instance profile. It must be among the stack's FleetRoleArns, which by default it is."
  value       = one([for role in aws_iam_role.instance : role.arn])
}

output "alarm_names" {
  description = "Alarms that stop a cutover."
  value       = local.alarm_names
}

output "rule_names" {
  description = "Config rules whose findings count as drift."
  value       = local.rules
}
