variables {
  fleet_admin_arns     = ["arn:aws:iam::*:role/terraform"]
  image_publisher_arns = ["arn:aws:iam::*:role/images"]
  reconcile_role_arns  = ["arn:aws:iam::*:role/driftless-ReconcileRole-*"]
  protector_arns       = ["arn:aws:iam::*:role/on-call"]
}

run "documents" {
  assert {
    condition     = alltrue([for statement in jsondecode(output.service_control_policy).Statement : statement.Effect == "Deny"])
    error_message = "A service control policy beside FullAWSAccess only denies."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(output.service_control_policy).Statement : contains(keys(statement.Condition), "ArnNotLike")])
    error_message = "Every statement spares those whose work it is."
  }

  assert {
    condition     = [for statement in jsondecode(output.permissions_boundary).Statement : statement.Sid if statement.Effect == "Allow"] == ["AllowEverythingElse"]
    error_message = "A boundary caps: what it does not allow, no principal under it may do."
  }

  assert {
    condition     = length(output.service_control_policy) <= 5120 && length(output.permissions_boundary) <= 6144
    error_message = "AWS accepts no longer ones."
  }
}

run "too_many_roles" {
  command = plan

  variables {
    fleet_admin_arns = [for number in range(40) : "arn:aws:iam::123456789012:role/a-path-of-some-length/terraform-${number}"]
  }

  expect_failures = [output.service_control_policy, output.permissions_boundary]
}

run "every_principal_is_refused" {
  command = plan

  variables {
    fleet_admin_arns = ["*"]
  }

  expect_failures = [var.fleet_admin_arns]
}
