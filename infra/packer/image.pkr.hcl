# An image that a fleet can run, and that Driftless knows what to do with. Nothing on it is ever changed after this build.

packer {
  required_version = ">= 1.11.0"

  required_plugins {
    amazon = {
      # This one and no other: a plugin runs with the role that builds images.
      version = "= 1.8.2"
      source  = "github.com/hashicorp/amazon"
    }
  }
}

locals {
  started     = timestamp()
  name        = "${var.fleet}-${var.architecture}-${formatdate("YYYYMMDD'T'hhmmss'Z'", local.started)}"
  application = var.application != "" ? var.application : "${path.root}/artifacts/app-${var.architecture}.tar"
  upload      = "/tmp/image-build"

  # Two generations of Graviton or Intel back: what is cheap, and to be had in every zone.
  instance_types = {
    arm64  = "t4g.medium"
    x86_64 = "t3.medium"
  }

  # What Driftless reads of an image. The keys stay on the image: on instances they would come back on their backups.
  tags = {
    "Name"                = local.name
    "driftless:image-for" = var.fleet
    "driftless:build"     = var.build
    "driftless:commit"    = var.commit
    # The rule approved-amis-by-tag reads key and value around one colon, so that its key can have none.
    "approved-for"        = var.fleet
    "source-image"        = "{{ .SourceAMI }}"
    "source-image-name"   = "{{ .SourceAMIName }}"
  }
}

source "amazon-ebs" "fleet" {
  region          = var.region
  ami_name        = local.name
  ami_description = "Fleet ${var.fleet}, build ${var.build}, commit ${var.commit}"
  instance_type   = local.instance_types[var.architecture]

  source_ami_filter {
    # The newest Amazon Linux 2023, not its minimal edition, which has no Session Manager agent.
    filters = {
      name                = "al2023-ami-2023.*-kernel-6.*-${var.architecture}"
      architecture        = var.architecture
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    # Amazon's own account: anybody may give an image a name that the filter matches.
    owners      = ["137112412989"]
    most_recent = true
  }

  # SSH through Session Manager: no open port, no public address, and a key that lives as long as the build.
  communicator            = "ssh"
  ssh_username            = "ec2-user"
  ssh_interface           = "session_manager"
  ssh_timeout             = "10m"
  temporary_key_pair_type = "ed25519"
  subnet_id               = var.subnet_id
  # Nothing reaches the builder from outside; the tunnel ends on the builder itself.
  temporary_security_group_source_cidrs = ["127.0.0.1/32"]

  # What the agent on the builder needs for a session, and nothing that could reach data.
  temporary_iam_instance_profile_policy_document {
    Version = "2012-10-17"
    Statement {
      Effect = "Allow"
      Action = [
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]
      Resource = ["*"]
    }
  }

  # IMDSv2 only, on the builder and on all that is launched from the image, and not through a container.
  imds_support = "v2.0"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # The builder's own volume is encrypted, and with it the snapshot that the image is made of. `encrypt_boot` would copy a
  # finished image once more, from a plain one.
  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    volume_size           = 8
    encrypted             = true
    kms_key_id            = var.kms_key_id
    delete_on_termination = true
  }

  deprecate_at = formatdate("YYYY-MM-DD'T'hh:mm:00'Z'", timeadd(local.started, "${var.days_until_deprecated * 24}h"))

  tags          = local.tags
  snapshot_tags = local.tags
  # The builder must not look like a member of the fleet, nor pass its tags on to the image.
  run_tags = {
    Name = "image-build-${local.name}"
  }
  run_volume_tags = {
    Name = "image-build-${local.name}"
  }
  skip_ami_run_tags = true
}

build {
  name    = "fleet"
  sources = ["source.amazon-ebs.fleet"]

  # Everything comes before it is needed, to where the user of the build may write; the scripts put it in its place as root.
  provisioner "shell" {
    inline = ["mkdir -p ${local.upload}"]
  }

  provisioner "file" {
    source      = "${path.root}/scripts"
    destination = local.upload
  }

  provisioner "file" {
    source      = "${path.root}/configs"
    destination = local.upload
  }

  provisioner "file" {
    source      = local.application
    destination = "${local.upload}/app.tar"
  }

  provisioner "shell" {
    # The first script that fails ends the build, and with it the image.
    execute_command = "sudo env {{ .Vars }} bash -e {{ .Path }}"
    # Hardening removes the helper script itself; afterwards no login is possible to do it.
    skip_clean = true
    env = {
      IMAGE_FLEET  = var.fleet
      IMAGE_BUILD  = var.build
      IMAGE_COMMIT = var.commit
    }
    # In one shell: when hardening is done, there is no rollback path in, neither by SSH nor by sudo.
    inline = [
      "bash ${local.upload}/scripts/install-dependencies.sh",
      "bash ${local.upload}/scripts/configure-app.sh",
      "bash ${local.upload}/scripts/harden-os.sh",
      "/usr/local/sbin/check-image",
    ]
  }

  post-processor "manifest" {
    output     = "${path.root}/manifest.json"
    strip_path = true
    custom_data = {
      fleet        = var.fleet
      build        = var.build
      commit       = var.commit
      architecture = var.architecture
    }
  }
}
