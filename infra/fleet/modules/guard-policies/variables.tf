locals {
  # A pattern of principals: one account or all (*), a role, a path of roles.
  principal = "^arn:aws[a-z-]*:(iam|sts)::([0-9]{12}|\\*):(role|user|assumed-role)/[A-Za-z0-9+=,.@_/*?-]+$"
}

variable "fleet_admin_arns" {
  description = "Who describes fleets: the roles that apply this module. They may write `driftless:*` tags on everything but images, and versions of the fleets' launch templates."
  type        = list(string)

  validation {
    condition     = length(var.fleet_admin_arns) > 0 && alltrue([for arn in var.fleet_admin_arns : can(regex(local.principal, arn))])
    error_message = "fleet_admin_arns names at least one role by its ARN, in which * stands for any characters."
  }
}

variable "image_publisher_arns" {
  description = "Who publishes images: the role of the image pipeline. It may write `driftless:*` tags on images, and put `image.published` on Driftless's bus."
  type        = list(string)

  validation {
    condition     = length(var.image_publisher_arns) > 0 && alltrue([for arn in var.image_publisher_arns : can(regex(local.principal, arn))])
    error_message = "image_publisher_arns names at least one role by its ARN, in which * stands for any characters."
  }
}

variable "reconcile_role_arns" {
  description = "The role of Driftless's function `reconcile`, the output `ReconcileRoleArn` of its stack: it writes versions of the fleets' launch templates, and changes their groups and listeners."
  type        = list(string)

  validation {
    condition     = length(var.reconcile_role_arns) > 0 && alltrue([for arn in var.reconcile_role_arns : can(regex(local.principal, arn))])
    error_message = "reconcile_role_arns names at least one role by its ARN, in which * stands for any characters."
  }
}

variable "protector_arns" {
  description = "Who may protect an instance with `driftless:protect`, beside the fleet admins: on-call, say."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.protector_arns : can(regex(local.principal, arn))])
    error_message = "protector_arns are roles by their ARNs, in which * stands for any characters."
  }
}

variable "deployer_arns" {
  description = "Who deploys Driftless itself, and by that makes its bus and its roles: no other role may change the bus's policy."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.deployer_arns : can(regex(local.principal, arn))])
    error_message = "deployer_arns are roles by their ARNs, in which * stands for any characters."
  }
}

variable "bus_name" {
  description = "Name of Driftless's event bus: that of its stack."
  type        = string
  default     = "driftless"

  validation {
    condition     = can(regex("^[A-Za-z0-9-]{1,128}$", var.bus_name))
    error_message = "bus_name is the name of the stack: letters, digits and hyphens."
  }
}
