# What the instances may do. No key pair, no way in but Session Manager.

locals {
  makes_role            = var.instance_profile_name == null
  instance_profile_name = local.makes_role ? aws_iam_instance_profile.this[0].name : var.instance_profile_name
}

data "aws_partition" "current" {}

resource "aws_iam_role" "instance" {
  count = local.makes_role ? 1 : 0

  # The stack may pass roles of this name, unless its parameter FleetRoleArns says otherwise.
  name                 = "driftless-fleet-${var.name}"
  description          = "Instances of the fleet ${var.name}"
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  tags = var.tags
}

resource "aws_iam_role_policy_attachment" "instance" {
  for_each = local.makes_role ? merge(
    { session-manager = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore" },
    var.instance_policy_arns,
  ) : {}

  role       = aws_iam_role.instance[0].name
  policy_arn = each.value
}

resource "aws_iam_instance_profile" "this" {
  count = local.makes_role ? 1 : 0

  name = "driftless-fleet-${var.name}"
  role = aws_iam_role.instance[0].name
  tags = var.tags
}
