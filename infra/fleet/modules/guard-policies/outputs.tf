output "service_control_policy" {
  description = "Document for an organisation: attach it to the accounts that run fleets. It allows nothing, beside the policy FullAWSAccess that stays attached."
  value       = local.service_control_policy

  precondition {
    condition     = length(local.service_control_policy) <= 5120
    error_message = "The service control policy has ${length(local.service_control_policy)} characters, and AWS accepts 5120: name fewer roles, or patterns of them."
  }
}

output "permissions_boundary" {
  description = "Document for an account without an organisation: make it a policy, and the permissions boundary of everyone who is not named in it. A boundary caps what a principal may do, so that it allows everything that it does not deny; and it must be required of every role that is made, or someone makes one without."
  value       = local.permissions_boundary

  precondition {
    condition     = length(local.permissions_boundary) <= 6144
    error_message = "The permissions boundary has ${length(local.permissions_boundary)} characters, and AWS accepts 6144: name fewer roles, or patterns of them."
  }
}

locals {
  service_control_policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })

  permissions_boundary = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([{ Sid = "AllowEverythingElse", Effect = "Allow", Action = "*", Resource = "*" }], local.statements)
  })
}
