output "rule_names" {
  description = "Rules that find drift, for the variable `rules` of a fleet."
  value       = [for key, rule in aws_config_config_rule.this : rule.name if contains(keys(local.rules), key)]
}

output "shown_rule_names" {
  description = "Rules that report something else. Never among a fleet's `rules`: they would fail on every replacement instance too."
  value       = [for key, rule in aws_config_config_rule.this : rule.name if contains(keys(local.shown), key)]
}

output "recorded_types" {
  description = "Resource types that a recorder of yours must record."
  value       = local.recorded_types
}
