mock_provider "aws" {
  mock_resource "aws_iam_service_linked_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig" }
  }
}

run "rules_that_find_drift" {
  variables {
    forbidden_applications = ["openssh-server", "gcc"]
    required_applications  = ["amazon-ssm-agent"]
  }

  assert {
    condition = { for key, rule in aws_config_config_rule.this : rule.name => rule.source[0].source_identifier } == {
      fleet-forbidden-applications = "EC2_MANAGEDINSTANCE_APPLICATIONS_BLACKLISTED"
      fleet-required-applications  = "EC2_MANAGEDINSTANCE_APPLICATIONS_REQUIRED"
      fleet-association-compliance = "EC2_MANAGEDINSTANCE_ASSOCIATION_COMPLIANCE_STATUS_CHECK"
      fleet-patch-compliance       = "EC2_MANAGEDINSTANCE_PATCH_COMPLIANCE_STATUS_CHECK"
    }
    error_message = "These are the rules that find drift."
  }

  assert {
    condition     = jsondecode(aws_config_config_rule.this["forbidden-applications"].input_parameters) == { applicationNames = "openssh-server,gcc" }
    error_message = "Applications are joined as the rule reads them."
  }

  assert {
    condition     = length(aws_config_configuration_recorder.this) == 0 && length(aws_config_delivery_channel.this) == 0
    error_message = "An account has one recorder: none is made unless it is asked for."
  }

  assert {
    condition     = one(aws_ssm_association.inventory[0].targets).values[0] == "*" && aws_ssm_association.inventory[0].parameters["applications"] == "Enabled"
    error_message = "The rules on applications read what the inventory collects, of every instance."
  }
}

run "the_seed_s_rule_is_shown_and_is_no_drift" {
  variables {
    inventory_blocked = ["AWS:Application"]
  }

  assert {
    condition     = aws_config_config_rule.this["inventory-blocked"].source[0].source_identifier == "EC2_MANAGEDINSTANCE_INVENTORY_BLACKLISTED" && join(" ", output.shown_rule_names) == "fleet-inventory-blocked"
    error_message = "It is made on request."
  }

  assert {
    condition     = !contains(output.rule_names, "fleet-inventory-blocked")
    error_message = "It fails on every replacement instance too: it must not be among the rules of a fleet."
  }
}

run "a_recorder_records_what_the_rules_read" {
  variables {
    recorder = { bucket_name = "history", extra_types = ["AWS::SSM::FileData"] }
  }

  assert {
    condition     = toset(aws_config_configuration_recorder.this[0].recording_group[0].resource_types) == toset(output.recorded_types) && length(output.recorded_types) == 5
    error_message = "It records what the rules read, and nothing that only costs."
  }

  assert {
    condition     = aws_config_configuration_recorder_status.this[0].is_enabled && length(aws_iam_service_linked_role.config) == 1
    error_message = "It runs, with a role of its own."
  }
}

run "an_account_that_has_everything" {
  variables {
    inventory              = null
    association_compliance = false
    patch_compliance       = false
  }

  assert {
    condition     = length(aws_config_config_rule.this) == 0 && length(aws_ssm_association.inventory) == 0
    error_message = "Nothing is made that was not asked for."
  }
}
