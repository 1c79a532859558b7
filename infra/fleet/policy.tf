# How Driftless is to treat the fleet: tags of its groups. Whatever is not said here is the stack's default.

variable "policy" {
  description = "Policy of the fleet, by key: each becomes the tag `driftless:<key>` on its groups. Keys that are not set keep the stack's default. Bounds, rules and alarms have variables of their own."
  type        = map(string)
  default     = {}

  # A map and not an object: Terraform drops what an object type does not name, and a guard with a typing error would
  # be missing without a word.
  validation {
    condition     = alltrue([for earlier, key in local.policy_earlier_names : !contains(keys(var.policy), earlier) || !contains(keys(var.policy), key) || replace(lookup(var.policy, earlier, ""), " ", "") == replace(lookup(var.policy, key, ""), " ", "")])
    error_message = "policy has two values for one setting: ${join("; ", [for earlier, key in local.policy_earlier_names : "${earlier} is \"${var.policy[earlier]}\" and ${key} is \"${var.policy[key]}\"" if contains(keys(var.policy), earlier) && contains(keys(var.policy), key)])}. Set the second name only."
  }

  validation {
    condition     = length(setsubtract(keys(var.policy), concat(local.policy_keys, keys(local.policy_earlier_names), keys(local.policy_keys_elsewhere)))) == 0
    error_message = "policy has no key ${join(", ", setsubtract(keys(var.policy), concat(local.policy_keys, keys(local.policy_earlier_names), keys(local.policy_keys_elsewhere))))}: the keys are ${join(", ", local.policy_keys)}."
  }

  validation {
    condition     = length(setintersection(keys(var.policy), keys(local.policy_keys_elsewhere))) == 0
    error_message = "policy does not say ${join("; ", [for key in setintersection(keys(var.policy), keys(local.policy_keys_elsewhere)) : "${key}: ${local.policy_keys_elsewhere[key]}"])}."
  }

  validation {
    condition     = alltrue([for key, value in var.policy : can(regex(local.policy_values[lookup(local.policy_earlier_names, key, key)].pattern, value)) if contains(local.policy_keys, lookup(local.policy_earlier_names, key, key))])
    error_message = "policy cannot be read: ${join("; ", [for key, value in var.policy : "${key} is \"${value}\", and must be ${local.policy_values[lookup(local.policy_earlier_names, key, key)].expected}" if contains(local.policy_keys, lookup(local.policy_earlier_names, key, key)) && !can(regex(local.policy_values[lookup(local.policy_earlier_names, key, key)].pattern, value))])}."
  }

  validation {
    # Patterns cannot tell that numbers rise.
    condition = !can(regex(local.policy_values["weights"].pattern, lookup(var.policy, "weights", lookup(var.policy, "traffic", "100")))) || (
      join(",", [for step in split(",", lookup(var.policy, "weights", lookup(var.policy, "traffic", "100"))) : format("%03d", trimspace(step))])
      == join(",", sort(distinct([for step in split(",", lookup(var.policy, "weights", lookup(var.policy, "traffic", "100"))) : format("%03d", trimspace(step))])))
    )
    error_message = "policy cannot be read: weights must be rising percentages that end at 100, such as 10,50,100."
  }

  validation {
    condition     = lookup(var.policy, "strategy", lookup(var.policy, "replace", "")) != "terminate-first" || lookup(var.policy, "min-healthy", "90%") != "100%"
    error_message = "policy contradicts itself: strategy = terminate-first terminates an instance before its replacement is healthy, and min-healthy = 100% does not allow that."
  }

  validation {
    condition     = lookup(var.policy, "mode", "observe") != "act" || length(local.alarm_names) > 0 || lookup(var.policy, "approval", "auto") == "manual"
    error_message = "policy says mode = act, and nothing would stop a bad cutover: keep guard_alarms, name alarms, or say approval = manual."
  }

  validation {
    condition     = var.layout == "weighted" || lookup(var.policy, "weights", lookup(var.policy, "traffic", "100")) == "100"
    error_message = "policy says in which steps traffic moves, and only the layout weighted has weights: leave weights out."
  }
}

variable "rules" {
  description = "Config rules whose findings count as drift, by name. The rule that `approved_images` makes is added. Others are shown and never replace a server."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for rule in var.rules : length(rule) >= 1 && length(rule) <= 128 && !strcontains(rule, ";")])
    error_message = "rules are names of 1 to 128 characters without a semicolon."
  }

  validation {
    condition     = length(join(";", var.rules, local.own_rules)) <= 256
    error_message = "rules are longer than the 256 characters of a tag when they are joined: shorten their names."
  }
}

variable "alarms" {
  description = "More alarms that stop a cutover, by name, or by the beginning of their names with a `*` at its end. Those of `guard_alarms` are added."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for alarm in var.alarms : length(alarm) >= 1 && length(alarm) <= 255 && !strcontains(alarm, ";") && !contains(["*", "none"], alarm)])
    error_message = "alarms are names of 1 to 255 characters without a semicolon, or beginnings with a * behind at least one character."
  }

  validation {
    condition     = length(join(";", var.alarms, local.own_alarms)) <= 256
    error_message = "alarms are longer than the 256 characters of a tag when they are joined: shorten the names, or give the beginning that they share with a * behind it."
  }
}

locals {
  percentage = "^([0-9]|[1-9][0-9]|100)%$"
  duration   = "^([0-9]+(d|h|m|s))+$"
  positive   = "^([0-9]+(d|h|m|s))*[1-9][0-9]*(d|h|m|s)([0-9]+(d|h|m|s))*$"

  policy_values = {
    mode            = { pattern = "^(observe|act)$", expected = "observe or act" }
    max-age         = { pattern = "^(none|[1-9][0-9]*[dh])$", expected = "a duration in hours or days, such as 7d, or none" }
    budget          = { pattern = "^([1-9][0-9]*|([1-9]|[1-9][0-9]|100)%)$", expected = "a count of at least 1 (2) or a percentage (10%)" }
    breaker         = { pattern = local.percentage, expected = "a percentage from 0% to 100%" }
    debounce        = { pattern = local.duration, expected = "a duration such as 90s, 5m or 1h" }
    window          = { pattern = "^(always|${local.opening}( *; *${local.opening})*)$", expected = "always, or days, times and a time zone such as Mon-Fri 09:00-16:00 Europe/Berlin, several with ;" }
    strategy        = { pattern = "^(surge|terminate-first|quarantine)$", expected = "surge, terminate-first or quarantine" }
    image-source    = { pattern = "^(tag|event)$", expected = "tag or event" }
    weights         = { pattern = "^([1-9][0-9]?, *)*100$", expected = "rising percentages that end at 100, such as 10,50,100" }
    step            = { pattern = local.positive, expected = "a duration above zero, such as 90s, 5m or 1h" }
    bake            = { pattern = local.duration, expected = "a duration such as 90s, 5m or 1h" }
    keep-warm       = { pattern = local.duration, expected = "a duration such as 90s, 5m or 1h" }
    metrics-delay   = { pattern = local.duration, expected = "a duration such as 90s, 5m or 1h" }
    approval        = { pattern = "^(auto|manual|check)$", expected = "auto, manual or check" }
    min-healthy     = { pattern = local.percentage, expected = "a percentage from 0% to 100%" }
    launch-deadline = { pattern = local.positive, expected = "a duration above zero, such as 90s, 5m or 1h" }
    drain-deadline  = { pattern = local.positive, expected = "a duration above zero, such as 90s, 5m or 1h" }
  }
  day     = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
  opening = "${local.day}([-,]${local.day})* [0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9] [A-Z][A-Za-z0-9_+/-]*"

  # Earlier names of keys are accepted. The groups are tagged with the names. Differing values of one setting are refused here
  # as text, without spaces; Driftless compares what they mean.
  policy_earlier_names = {
    replace       = "strategy"
    traffic       = "weights"
    metrics-trail = "metrics-delay" # an old name
  }
  policy = { for key, value in var.policy : lookup(local.policy_earlier_names, key, key) => value if !contains(keys(var.policy), lookup(local.policy_earlier_names, key, "")) }

  policy_keys = sort(keys(local.policy_values))
  policy_keys_elsewhere = {
    min     = "set capacity.min"
    max     = "set capacity.max"
    rules   = "set the variable rules"
    alarms  = "set the variables guard_alarms and alarms"
    fleet   = "set the variable name"
    color   = "it follows from the layout"
    protect = "it belongs on an instance"
  }

  own_rules   = var.approved_images == null ? [] : [local.approved_images_rule]
  rules       = distinct(concat(local.own_rules, var.rules))
  alarm_names = distinct(concat(local.own_alarms, var.alarms))

  alarms_said = length(local.alarm_names) > 0 ? join(";", local.alarm_names) : lookup(local.policy, "approval", "") == "manual" ? "none" : null

  # The tags that Driftless reads. None of them is propagated: backups and images inherit the tags of an instance, and
  # what they are made of must not speak for them.
  driftless_tags = merge(
    { "driftless:fleet" = var.name, "driftless:min" = tostring(var.capacity.min), "driftless:max" = tostring(var.capacity.max) },
    length(local.rules) > 0 ? { "driftless:rules" = join(";", local.rules) } : {},
    local.alarms_said != null ? { "driftless:alarms" = local.alarms_said } : {},
    { for key, value in local.policy : "driftless:${key}" => value },
  )
}
