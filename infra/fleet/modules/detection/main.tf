# What AWS Config needs to see drift, once per account and region, for all fleets.

locals {
  # By name: what it is for, what it asks, and what must be recorded for it.
  rules = merge(
    length(var.forbidden_applications) == 0 ? {} : {
      forbidden-applications = {
        identifier  = "EC2_MANAGEDINSTANCE_APPLICATIONS_BLACKLISTED"
        description = "No instance has an application that does not belong on a server."
        parameters  = { applicationNames = join(",", var.forbidden_applications) }
      }
    },
    length(var.required_applications) == 0 ? {} : {
      required-applications = {
        identifier  = "EC2_MANAGEDINSTANCE_APPLICATIONS_REQUIRED"
        description = "Every instance has the applications of its image."
        parameters  = { applicationNames = join(",", var.required_applications) }
      }
    },
    !var.association_compliance ? {} : {
      association-compliance = {
        identifier  = "EC2_MANAGEDINSTANCE_ASSOCIATION_COMPLIANCE_STATUS_CHECK"
        description = "The associations of every instance hold."
        parameters  = {}
      }
    },
    !var.patch_compliance ? {} : {
      patch-compliance = {
        identifier  = "EC2_MANAGEDINSTANCE_PATCH_COMPLIANCE_STATUS_CHECK"
        description = "Every instance has the patches of its baseline."
        parameters  = {}
      }
    },
  )

  # Not drift: it fails on every instance, or on none.
  shown = length(var.inventory_blocked) == 0 ? {} : {
    inventory-blocked = {
      identifier  = "EC2_MANAGEDINSTANCE_INVENTORY_BLACKLISTED"
      description = "No instance is configured to collect these types of inventory. Says nothing about drift."
      parameters  = { inventoryNames = join(",", var.inventory_blocked) }
    }
  }

  recorded_types = distinct(concat(
    [
      "AWS::EC2::Instance",
      "AWS::SSM::AssociationCompliance",
      "AWS::SSM::ManagedInstanceInventory",
      "AWS::SSM::PatchCompliance",
    ],
    try(var.recorder.extra_types, []),
  ))
}

resource "aws_config_config_rule" "this" {
  for_each = merge(local.rules, local.shown)

  name             = "${var.prefix}-${each.key}"
  description      = each.value.description
  input_parameters = length(each.value.parameters) == 0 ? null : jsonencode(each.value.parameters)

  source {
    owner             = "AWS"
    source_identifier = each.value.identifier
  }

  tags = var.tags

  # Without a recorder AWS Config accepts no rule.
  depends_on = [aws_config_configuration_recorder_status.this]
}

resource "aws_config_configuration_recorder" "this" {
  #checkov:skip=CKV2_AWS_48:It records what the rules read. Everything else costs by the item, and is another recorder's choice.
  count = var.recorder == null ? 0 : 1

  name     = "default"
  role_arn = var.recorder.role_arn == null ? aws_iam_service_linked_role.config[0].arn : var.recorder.role_arn

  # Only what the rules read: everything else costs by the item.
  recording_group {
    all_supported                 = false
    include_global_resource_types = false
    resource_types                = local.recorded_types

    recording_strategy {
      use_only = "INCLUSION_BY_RESOURCE_TYPES"
    }
  }
}

# Where the account has this role already, name it with recorder.role_arn.
resource "aws_iam_service_linked_role" "config" {
  count = var.recorder == null ? 0 : var.recorder.role_arn == null ? 1 : 0

  aws_service_name = "config.amazonaws.com"
}

resource "aws_config_delivery_channel" "this" {
  count = var.recorder == null ? 0 : 1

  name           = "default"
  s3_bucket_name = var.recorder.bucket_name
  s3_key_prefix  = var.recorder.key_prefix
  s3_kms_key_arn = var.recorder.kms_key_arn

  snapshot_delivery_properties {
    delivery_frequency = var.recorder.delivery_frequency
  }

  depends_on = [aws_config_configuration_recorder.this]
}

resource "aws_config_configuration_recorder_status" "this" {
  #checkov:skip=CKV2_AWS_45:It records what the rules read. Everything else costs by the item, and is another recorder's choice.
  count = var.recorder == null ? 0 : 1

  name       = aws_config_configuration_recorder.this[0].name
  is_enabled = true

  depends_on = [aws_config_delivery_channel.this]
}

resource "aws_ssm_association" "inventory" {
  count = var.inventory == null ? 0 : 1

  association_name    = "${var.prefix}-inventory"
  name                = "AWS-GatherSoftwareInventory"
  schedule_expression = var.inventory.schedule

  targets {
    key    = "InstanceIds"
    values = ["*"]
  }

  parameters = {
    applications                = "Enabled"
    awsComponents               = "Enabled"
    instanceDetailedInformation = "Enabled"
    networkConfig               = "Disabled"
    services                    = "Disabled"
  }
}
