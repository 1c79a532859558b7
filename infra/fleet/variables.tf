# ---- What the fleet is ----

variable "name" {
  description = "Name of the fleet: the value of the tag `driftless:fleet`, and the beginning of every name that this module gives."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$", var.name))
    error_message = "name is 1 to 40 lower-case letters, digits and hyphens, with no hyphen at either end: Driftless leaves a fleet alone whose name it cannot read."
  }
}

variable "layout" {
  description = "How traffic moves. `weighted`: a blue/green pair with a target group each, in one forward action. `shared`: a pair and one target group, to which only the live color is attached. `no-load-balancer`: a pair without a load balancer. `rolling`: a single group that instance refreshes roll, with or without a load balancer."
  type        = string
  default     = "weighted"

  validation {
    condition     = contains(["weighted", "shared", "no-load-balancer", "rolling"], var.layout)
    error_message = "layout is weighted, shared, no-load-balancer or rolling."
  }
}

variable "capacity" {
  description = "Bounds of the fleet, in instances, and the size that the live group starts with (default: `min`). They are written as the tags `driftless:min` and `driftless:max`: the bounds of the groups belong to Driftless, which moves them with the traffic at the next cutover."
  type = object({
    min     = number
    max     = number
    initial = optional(number)
  })

  validation {
    condition     = floor(var.capacity.min) == var.capacity.min && floor(var.capacity.max) == var.capacity.max && var.capacity.min >= 0
    error_message = "capacity.min and capacity.max are whole numbers of instances, and min is not negative."
  }

  validation {
    condition     = var.capacity.max >= 1 && var.capacity.min <= var.capacity.max
    error_message = "capacity.max is at least 1 and at least capacity.min."
  }

  validation {
    condition     = var.capacity.initial == null ? true : var.capacity.initial >= max(1, var.capacity.min) && var.capacity.initial <= var.capacity.max
    error_message = "capacity.initial lies between capacity.min and capacity.max, and is at least 1: without an instance there is nothing to size the other color by."
  }

  validation {
    condition     = var.capacity.initial != null || var.capacity.min >= 1
    error_message = "capacity.min is 0: say with capacity.initial how many instances the fleet starts with."
  }
}

# ---- What runs ----

variable "image_id" {
  description = "Image of the first release. From then on images come from Driftless: a change here is ignored, on purpose."
  type        = string

  validation {
    condition     = can(regex("^ami-([0-9a-f]{8}|[0-9a-f]{17})$", var.image_id))
    error_message = "image_id is the id of an image (ami-…). A parameter (resolve:ssm:…) can change behind the release, and Driftless refuses it."
  }
}

variable "instance_type" {
  description = "Instance type. Its architecture is the image's."
  type        = string
  default     = "t4g.small"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", var.instance_type))
    error_message = "instance_type is a type such as t4g.small."
  }
}

variable "user_data" {
  description = "User data of the instances, as plain text. A change writes a new version of both launch templates, which Driftless brings to the fleet by a cutover, with the image that the fleet runs. Anyone who may describe the template can read it: no secrets."
  type        = string
  default     = null

  validation {
    condition     = var.user_data == null ? true : length(var.user_data) > 0 && length(base64encode(var.user_data)) <= 21848
    error_message = "user_data holds 1 to 16384 bytes."
  }
}

variable "root_volume" {
  description = "Root volume: the image's root device, its size in GiB, its type, and the key that encrypts it (default: the account's key for EBS). It is always encrypted."
  type = object({
    device_name = optional(string, "/dev/xvda")
    size_gib    = optional(number, 8)
    type        = optional(string, "gp3")
    kms_key_arn = optional(string)
  })
  default = {}

  validation {
    condition     = var.root_volume.size_gib >= 1 && var.root_volume.size_gib <= 16384
    error_message = "root_volume.size_gib is 1 to 16384."
  }

  validation {
    condition     = contains(["gp3", "gp2"], var.root_volume.type)
    error_message = "root_volume.type is gp3 or gp2."
  }

  validation {
    condition     = var.root_volume.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:", var.root_volume.kms_key_arn))
    error_message = "root_volume.kms_key_arn is the ARN of a KMS key."
  }
}

variable "metadata_hop_limit" {
  description = "How many network hops an answer of the instance metadata service travels: 1, or 2 where containers on the instance ask for credentials. Version 2 of the service is always required."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2], var.metadata_hop_limit)
    error_message = "metadata_hop_limit is 1 or 2."
  }
}

variable "instance_profile_name" {
  description = "Instance profile of the instances. Default: the module makes one, with Session Manager and `instance_policy_arns`. The role of a profile of your own must be among the stack's `FleetRoleArns`, or Driftless can launch nothing."
  type        = string
  default     = null
}

variable "instance_policy_arns" {
  description = "Policies for the instance role that the module makes, by a name of yours: `{ logs = \"arn:aws:iam::…\" }`."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(var.instance_policy_arns) == 0 || var.instance_profile_name == null
    error_message = "instance_policy_arns belongs to the role that the module makes: attach them to the role of instance_profile_name yourself."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the instance role that the module makes."
  type        = string
  default     = null
}

# ---- Where it runs ----

variable "subnet_ids" {
  description = "Subnets of the instances, in at least two zones for a fleet that is to survive one."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0 && length(distinct(var.subnet_ids)) == length(var.subnet_ids)
    error_message = "subnet_ids names at least one subnet, and each only once."
  }
}

variable "security_group_ids" {
  description = "Security groups of the instances."
  type        = list(string)

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "security_group_ids names at least one group: without one, instances get the network's default group."
  }
}

variable "target" {
  description = "How the load balancer reaches and checks the instances. `stickiness_seconds` must not be longer than the policy's `bake` and `keep-warm` together, or clients still stick to a color when it goes."
  type = object({
    vpc_id                       = string
    port                         = optional(number, 80)
    protocol                     = optional(string, "HTTP")
    health_path                  = optional(string, "/")
    health_matcher               = optional(string, "200")
    health_interval_seconds      = optional(number, 10)
    health_timeout_seconds       = optional(number, 5)
    healthy_threshold            = optional(number, 2)
    unhealthy_threshold          = optional(number, 2)
    deregistration_delay_seconds = optional(number, 60)
    slow_start_seconds           = optional(number, 0)
    stickiness_seconds           = optional(number, 0)
  })
  default = null

  validation {
    condition     = var.layout == "rolling" || (var.target != null) == contains(["weighted", "shared"], var.layout)
    error_message = "target is needed in the layouts weighted and shared, and has no place in no-load-balancer."
  }

  validation {
    condition     = var.target == null ? true : var.target.health_timeout_seconds < var.target.health_interval_seconds
    error_message = "target.health_timeout_seconds is less than target.health_interval_seconds."
  }

  validation {
    condition     = var.target == null ? true : contains(["HTTP", "HTTPS"], var.target.protocol) && startswith(var.target.health_path, "/")
    error_message = "target.protocol is HTTP or HTTPS, and target.health_path begins with a slash."
  }

  validation {
    condition     = var.target == null ? true : var.target.slow_start_seconds == 0 || (var.target.slow_start_seconds >= 30 && var.target.slow_start_seconds <= 900)
    error_message = "target.slow_start_seconds is 0 or 30 to 900."
  }
}

variable "listener" {
  description = "A listener of its own for the fleet, on a load balancer of yours: everything that it receives goes to the fleet. Or use `rule`."
  type = object({
    load_balancer_arn = string
    port              = optional(number, 443)
    protocol          = optional(string, "HTTPS")
    certificate_arn   = optional(string)
    ssl_policy        = optional(string, "ELBSecurityPolicy-TLS13-1-2-2021-06")
  })
  default = null

  validation {
    condition     = var.listener == null ? true : can(regex(":loadbalancer/app/", var.listener.load_balancer_arn))
    error_message = "listener.load_balancer_arn is the ARN of an application load balancer: no other kind has weights that Driftless can move."
  }

  validation {
    condition     = var.listener == null ? true : contains(["HTTP", "HTTPS"], var.listener.protocol) && (var.listener.protocol == "HTTPS") == (var.listener.certificate_arn != null)
    error_message = "listener.protocol is HTTPS with a certificate_arn, or HTTP without one."
  }

  validation {
    condition     = (var.target == null ? 0 : 1) == (var.listener == null ? 0 : 1) + (var.rule == null ? 0 : 1)
    error_message = "A fleet with a target has either a listener or a rule, and a fleet without one has neither: exactly one forward action may name its target groups."
  }
}

variable "rule" {
  description = "A rule of a listener of yours that sends the fleet its share of the requests, by host names, paths or both. Or use `listener`."
  type = object({
    listener_arn  = string
    priority      = number
    host_headers  = optional(list(string), [])
    path_patterns = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.rule == null ? true : can(regex(":listener/app/", var.rule.listener_arn))
    error_message = "rule.listener_arn is the ARN of a listener of an application load balancer."
  }

  validation {
    condition     = var.rule == null ? true : length(var.rule.host_headers) + length(var.rule.path_patterns) > 0
    error_message = "rule needs host_headers or path_patterns: what it answers to."
  }

  validation {
    condition     = var.rule == null ? true : var.rule.priority >= 1 && var.rule.priority <= 50000
    error_message = "rule.priority is 1 to 50000."
  }
}

variable "warmup_seconds" {
  description = "How long a new instance needs until it can be trusted: the groups' default warm-up. Driftless watches a replacement instance for as long."
  type        = number
  default     = 60

  validation {
    condition     = var.warmup_seconds >= 0 && var.warmup_seconds <= 7200
    error_message = "warmup_seconds is 0 to 7200."
  }
}

variable "health_check_grace_seconds" {
  description = "How long a new instance may be unhealthy before Auto Scaling replaces it."
  type        = number
  default     = 120

  validation {
    condition     = var.health_check_grace_seconds >= 0 && var.health_check_grace_seconds <= 7200
    error_message = "health_check_grace_seconds is 0 to 7200."
  }
}

variable "wait_for_capacity_timeout" {
  description = "How long Terraform waits for the first instances, such as `10m`; `0` does not wait."
  type        = string
  default     = "10m"
}

variable "scaling" {
  description = "Target tracking for each group: average CPU in percent, requests per target and minute, or both. The idle color's bounds are 0, so that its policies do nothing."
  type = object({
    cpu_percent         = optional(number)
    requests_per_target = optional(number)
  })
  default = {}

  validation {
    condition     = var.scaling.cpu_percent == null ? true : var.scaling.cpu_percent > 0 && var.scaling.cpu_percent <= 100
    error_message = "scaling.cpu_percent is above 0 and at most 100."
  }

  validation {
    condition     = var.scaling.requests_per_target == null ? true : var.scaling.requests_per_target > 0 && var.target != null
    error_message = "scaling.requests_per_target is above 0, and needs a target: only a load balancer counts requests."
  }
}

# ---- Names and tags ----

variable "tags" {
  description = "Tags for everything that this module makes, instances included."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "driftless:") && !startswith(lower(key), "aws:")])
    error_message = "tags must not begin with driftless: (they are the fleet's identity and policy: use name, capacity, policy, rules and alarms) or aws:."
  }

  validation {
    condition     = alltrue([for key in keys(var.tags) : !contains(["Name", "Fleet"], key)])
    error_message = "tags must not say Name or Fleet: the module sets them."
  }
}
