# Who may make code run on a fleet: every principal that writes Driftless's tags, versions of its launch templates, or events on its
# bus. These documents keep everyone else from it, whatever their own policies allow.
#
# A principal that must not be bound is named in a condition on aws:PrincipalArn, which is the role's ARN for all of its
# sessions. Service-linked roles are never bound by a service control policy.

locals {
  image_arns    = ["arn:*:ec2:*::image/*", "arn:*:ec2:*::snapshot/*"]
  admins        = distinct(var.fleet_admin_arns)
  publishers    = distinct(var.image_publisher_arns)
  protectors    = distinct(concat(var.fleet_admin_arns, var.protector_arns))
  writers       = distinct(concat(var.fleet_admin_arns, var.reconcile_role_arns))
  bus_deployers = distinct(concat(var.deployer_arns, var.fleet_admin_arns))

  statements = [
    {
      Sid      = "DenyImageTagging"
      Effect   = "Deny"
      Action   = ["ec2:CreateTags", "ec2:DeleteTags"]
      Resource = local.image_arns
      Condition = {
        "ForAnyValue:StringLike" = { "aws:TagKeys" = ["driftless:*"] }
        ArnNotLike               = { "aws:PrincipalArn" = local.publishers }
      }
    },
    {
      # Without a list of keys DeleteTags takes all tags off, and names none of them.
      Sid      = "DenyImageTagRemoval"
      Effect   = "Deny"
      Action   = "ec2:DeleteTags"
      Resource = local.image_arns
      Condition = {
        Null       = { "aws:ResourceTag/driftless:image-for" = "false" }
        ArnNotLike = { "aws:PrincipalArn" = local.publishers }
      }
    },
    {
      Sid         = "DenyOtherEc2Tagging"
      Effect      = "Deny"
      Action      = ["ec2:CreateTags", "ec2:DeleteTags"]
      NotResource = concat(local.image_arns, ["arn:*:ec2:*:*:instance/*"])
      Condition = {
        "ForAnyValue:StringLike" = { "aws:TagKeys" = ["driftless:*"] }
        ArnNotLike               = { "aws:PrincipalArn" = local.admins }
      }
    },
    {
      Sid      = "DenyInstanceTagging"
      Effect   = "Deny"
      Action   = ["ec2:CreateTags", "ec2:DeleteTags"]
      Resource = "arn:*:ec2:*:*:instance/*"
      Condition = {
        "ForAnyValue:StringLike" = { "aws:TagKeys" = ["driftless:*"] }
        ArnNotLike               = { "aws:PrincipalArn" = local.protectors }
      }
    },
    {
      Sid    = "DenyGroupAndListenerTagging"
      Effect = "Deny"
      Action = [
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DeleteTags",
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:RemoveTags",
      ]
      Resource = "*"
      Condition = {
        "ForAnyValue:StringLike" = { "aws:TagKeys" = ["driftless:*"] }
        ArnNotLike               = { "aws:PrincipalArn" = local.admins }
      }
    },
    {
      Sid      = "DenyTemplateChanges"
      Effect   = "Deny"
      Action   = ["ec2:CreateLaunchTemplateVersion", "ec2:DeleteLaunchTemplate*", "ec2:DeleteTags", "ec2:ModifyLaunchTemplate"]
      Resource = "arn:*:ec2:*:*:launch-template/*"
      Condition = {
        Null       = { "aws:ResourceTag/driftless:fleet" = "false" }
        ArnNotLike = { "aws:PrincipalArn" = local.writers }
      }
    },
    {
      Sid    = "DenyFleetChanges"
      Effect = "Deny"
      Action = [
        "autoscaling:StartInstanceRefresh",
        "autoscaling:UpdateAutoScalingGroup",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyRule",
      ]
      Resource = "*"
      Condition = {
        Null       = { "aws:ResourceTag/driftless:fleet" = "false" }
        ArnNotLike = { "aws:PrincipalArn" = local.writers }
      }
    },
    {
      Sid       = "DenyImageAnnouncements"
      Effect    = "Deny"
      Action    = "events:PutEvents"
      Resource  = "arn:*:events:*:*:event-bus/${var.bus_name}"
      Condition = { ArnNotLike = { "aws:PrincipalArn" = local.publishers } }
    },
    {
      Sid       = "DenyBusChanges"
      Effect    = "Deny"
      Action    = ["events:DeleteEventBus", "events:PutPermission", "events:RemovePermission", "events:UpdateEventBus"]
      Resource  = "arn:*:events:*:*:event-bus/${var.bus_name}"
      Condition = { ArnNotLike = { "aws:PrincipalArn" = local.bus_deployers } }
    },
  ]
}
