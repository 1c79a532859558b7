variable "prefix" {
  description = "Beginning of the names of the rules."
  type        = string
  default     = "fleet"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.prefix))
    error_message = "prefix is 1 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "recorder" {
  description = "Makes the account's recorder of AWS Config in this region, which delivers to this bucket. There can be only one: `null` where the account has one, which must record the resource types in the output `recorded_types`."
  type = object({
    bucket_name        = string
    key_prefix         = optional(string)
    kms_key_arn        = optional(string)
    role_arn           = optional(string)
    extra_types        = optional(list(string), [])
    delivery_frequency = optional(string, "TwentyFour_Hours")
  })
  default = null

  validation {
    condition     = var.recorder == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.recorder.bucket_name))
    error_message = "recorder.bucket_name is the name of a bucket, not an ARN."
  }

  validation {
    condition     = var.recorder == null ? true : contains(["One_Hour", "Three_Hours", "Six_Hours", "Twelve_Hours", "TwentyFour_Hours"], var.recorder.delivery_frequency)
    error_message = "recorder.delivery_frequency is One_Hour, Three_Hours, Six_Hours, Twelve_Hours or TwentyFour_Hours."
  }
}

variable "inventory" {
  description = "Makes the association that collects the inventory of every managed instance: applications and AWS components. The rules on applications need it. `schedule` is a rate of at least 30 minutes."
  type = object({
    schedule = optional(string, "rate(12 hours)")
  })
  default = {}

  validation {
    condition     = var.inventory == null ? true : can(regex("^rate\\(([0-9]+ (minutes|hours|days)|1 (hour|day))\\)$", var.inventory.schedule))
    error_message = "inventory.schedule is a rate such as rate(12 hours), or inventory is null."
  }
}

variable "forbidden_applications" {
  description = "Applications that no instance may have, by their exact names: compilers, editors, an SSH server. Empty makes no rule."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.forbidden_applications : length(name) > 0 && !strcontains(name, ",")]) && length(join(",", var.forbidden_applications)) <= 1024
    error_message = "forbidden_applications are names without a comma, of at most 1024 characters in all."
  }
}

variable "required_applications" {
  description = "Applications that every instance must have, by their exact names. Empty makes no rule."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.required_applications : length(name) > 0 && !strcontains(name, ",")]) && length(join(",", var.required_applications)) <= 1024
    error_message = "required_applications are names without a comma, of at most 1024 characters in all."
  }
}

variable "association_compliance" {
  description = "Creates the rule that every instance complies with its State Manager associations."
  type        = bool
  default     = true
}

variable "patch_compliance" {
  description = "Makes the rule that every instance has the patches of its baseline."
  type        = bool
  default     = true
}

variable "inventory_blocked" {
  description = "Inventory types, such as AWS:Application, that no instance may be configured to collect: the rule EC2_MANAGEDINSTANCE_INVENTORY_BLACKLISTED. It says how inventory is set up and nothing about drift: it fails on each new instance as on the one before. Its findings are shown and must not be among a fleet's `rules`. Empty makes no rule."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.inventory_blocked : can(regex("^(AWS|Custom):[A-Za-z0-9_.-]+$", name))])
    error_message = "inventory_blocked are types such as AWS:Application."
  }
}

variable "tags" {
  description = "Tags for everything that this module makes."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "driftless:") && !startswith(lower(key), "aws:")])
    error_message = "tags must not begin with driftless: or aws:."
  }
}
