# One launch template for each color, because each has versions of its own. Both say the same, word for word: when the
# content moves to the other color, Driftless looks for the version there that says what this one says.
resource "aws_launch_template" "this" {
  for_each = local.groups

  name          = each.value.name
  description   = "fleet ${var.name}"
  image_id      = var.image_id
  instance_type = var.instance_type
  user_data     = var.user_data == null ? null : base64encode(var.user_data)

  vpc_security_group_ids = var.security_group_ids

  iam_instance_profile {
    name = local.instance_profile_name
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = var.metadata_hop_limit
    # Instance tags are no configuration.
    instance_metadata_tags = "disabled"
  }

  block_device_mappings {
    device_name = var.root_volume.device_name

    ebs {
      volume_size           = var.root_volume.size_gib
      volume_type           = var.root_volume.type
      encrypted             = true
      kms_key_id            = var.root_volume.kms_key_arn
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = true
  }

  # No color in here: the templates of both must say the same.
  dynamic "tag_specifications" {
    for_each = ["instance", "volume", "network-interface"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = var.name, Fleet = var.name })
    }
  }

  tags = local.marked

  lifecycle {
    # Terraform compares with the newest version, and most of them are Driftless's: it chooses the image, and says in
    # the description what the version was written for. Everything else is the platform engineer's. A version that
    # Terraform writes repeats the image of the newest one, vetoed or not; no group uses that version. Driftless takes
    # its settings, and the image from what the fleet runs.
    ignore_changes = [image_id, description]
  }
}
