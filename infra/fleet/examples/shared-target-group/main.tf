# The layout of the reference document, working: a blue/green pair that shares one target group, and what AWS Config says
# about it. Which of both is live is not in here: no variable has to be flipped, and no apply moves traffic.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 6.0"
    }
  }
}

variable "name" {
  description = "Name of the fleet."
  type        = string
  default     = "shared"
}

variable "vpc_id" {
  description = "Network of the load balancer and of the instances."
  type        = string
}

variable "subnet_ids" {
  description = "Two subnets or more, in zones of their own."
  type        = list(string)
}

variable "image_id" {
  description = "Image of the first release. Those that follow are tagged `driftless:image-for=<name>`, and need no Terraform."
  type        = string
}

variable "user_data" {
  description = "What instances do when they start."
  type        = string
  default     = null
}

variable "bucket_name" {
  description = "Bucket that AWS Config delivers to."
  type        = string
}

variable "inventory" {
  description = "Collects the inventory of every instance. False where an association of yours does."
  type        = bool
  default     = true
}

module "fleet" {
  source = "../.."

  name               = var.name
  layout             = "shared"
  capacity           = { min = 2, max = 4 }
  image_id           = var.image_id
  user_data          = var.user_data
  subnet_ids         = var.subnet_ids
  security_group_ids = [aws_security_group.instances.id]

  target   = { vpc_id = var.vpc_id, port = 8080, health_path = "/health" }
  listener = { load_balancer_arn = aws_lb.this.arn, port = 80, protocol = "HTTP" }

  rules           = module.detection.rule_names
  approved_images = {}
  policy          = { mode = "act", min-healthy = "90%" }
}

# The rule of the reference document is shown and counts as no drift: it asks whether instances are set up to collect the
# inventory, and so fails on each replacement instance as it did on the instance before.
module "detection" {
  source = "../../modules/detection"

  prefix                 = var.name
  recorder               = { bucket_name = var.bucket_name }
  inventory              = var.inventory ? {} : null
  inventory_blocked      = ["AWS:Application"]
  forbidden_applications = ["openssh-server", "gcc"]
}

# The alarm of the reference document is on a metric that AWS Config does not have. Every resync publishes this one for
# each fleet.
resource "aws_cloudwatch_metric_alarm" "config_drift" {
  alarm_name          = "${var.name}-config-drift-detected"
  alarm_description   = "Instances of the fleet ${var.name} are drifted: Driftless replaces them, or a message names what blocks it."
  namespace           = "Driftless"
  metric_name         = "NonCompliantInstances"
  dimensions          = { Fleet = var.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "missing"
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_150:An example that was tried must be possible to destroy.
  #checkov:skip=CKV_AWS_91:Access logs need a bucket: see the example complete.
  #checkov:skip=CKV2_AWS_20:Internal, and without a certificate: see the example complete.
  name               = var.name
  internal           = true
  load_balancer_type = "application"
  subnets            = var.subnet_ids
  security_groups    = [aws_security_group.balancer.id]

  drop_invalid_header_fields = true
}

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Load balancer of the fleet ${var.name}"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "instances" {
  name        = "${var.name}-instances"
  description = "Instances of the fleet ${var.name}"
  vpc_id      = var.vpc_id
}

data "aws_vpc" "this" {
  id = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  description       = "Clients in this network"
  security_group_id = aws_security_group.balancer.id
  cidr_ipv4         = data.aws_vpc.this.cidr_block
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "to_instances" {
  description                  = "Requests and health checks"
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = aws_security_group.instances.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_vpc_security_group_ingress_rule" "from_balancer" {
  description                  = "Requests and health checks"
  security_group_id            = aws_security_group.instances.id
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_vpc_security_group_egress_rule" "https" {
  description       = "Session Manager and other AWS services"
  security_group_id = aws_security_group.instances.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

output "fleet" {
  description = "What was made."
  value       = module.fleet
}
