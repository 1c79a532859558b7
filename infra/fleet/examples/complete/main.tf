# Everything at once: a rule of an HTTPS listener, canary steps, scaling, alarms that page, rules that find drift, an encryption key, and the
# documents that say who may touch any of it.

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
  default     = "complete"
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

variable "certificate_arn" {
  description = "Certificate of the listener."
  type        = string
}

variable "key_arn" {
  description = "Key that encrypts volumes and logs. Auto Scaling's service-linked role needs a grant on it."
  type        = string
}

variable "bucket_name" {
  description = "Bucket that AWS Config and the load balancer deliver to."
  type        = string
}

variable "alert_topic_arns" {
  description = "Topics that hear of alarms: Driftless's own, from the outputs of its stack, or yours."
  type        = list(string)
  default     = []
}

variable "terraform_role_arn" {
  description = "Role that applies this."
  type        = string
}

variable "image_role_arn" {
  description = "Role of the image pipeline."
  type        = string
}

variable "reconcile_role_arn" {
  description = "Role of Driftless's function `reconcile`."
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
  capacity           = { min = 2, max = 12, initial = 3 }
  image_id           = var.image_id
  instance_type      = "m7g.large"
  user_data          = var.user_data
  root_volume        = { size_gib = 20, kms_key_arn = var.key_arn }
  subnet_ids         = var.subnet_ids
  security_group_ids = [aws_security_group.instances.id]

  instance_policy_arns = { logs = aws_iam_policy.logs.arn }

  target = {
    vpc_id                       = var.vpc_id
    port                         = 8080
    health_path                  = "/health"
    deregistration_delay_seconds = 30
    slow_start_seconds           = 30
  }
  rule = { listener_arn = aws_lb_listener.https.arn, priority = 100, host_headers = ["${var.name}.example.com"] }

  warmup_seconds = 90
  scaling        = { cpu_percent = 60, requests_per_target = 1000 }

  guard_alarms    = { error_percent = 2, latency_seconds = 0.8, topic_arns = var.alert_topic_arns }
  alarms          = ["${var.name}-instance-*"]
  rules           = module.detection.rule_names
  approved_images = {}

  policy = {
    mode         = "act"
    max-age      = "14d"
    budget       = "10%"
    breaker      = "30%"
    debounce     = "10m"
    window       = "Mon-Fri 09:00-16:00 Europe/Berlin"
    image-source = "event"
    weights      = "5,25,50,100"
    step         = "5m"
    bake         = "30m"
    keep-warm    = "2h"
  }

  tags = { Team = "web", CostCenter = "4711" }
}

module "detection" {
  source = "../../modules/detection"

  prefix                 = var.name
  recorder               = { bucket_name = var.bucket_name, key_prefix = "config" }
  inventory              = var.inventory ? {} : null
  forbidden_applications = ["openssh-server", "gcc"]
  required_applications  = ["amazon-ssm-agent"]
  tags                   = { Team = "web" }
}

module "guard_policies" {
  source = "../../modules/guard-policies"

  fleet_admin_arns     = [var.terraform_role_arn]
  image_publisher_arns = [var.image_role_arn]
  reconcile_role_arns  = [var.reconcile_role_arn]
}

resource "aws_iam_policy" "boundary" {
  name        = "${var.name}-boundary"
  description = "Permissions boundary of everyone who may not make code run on fleets"
  policy      = module.guard_policies.permissions_boundary
}

resource "aws_iam_policy" "logs" {
  name        = "${var.name}-logs"
  description = "Instances of the fleet ${var.name} write their log"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.this.arn}:*"
    }]
  })
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/fleets/${var.name}"
  retention_in_days = 365
  kms_key_id        = var.key_arn
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = var.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "nothing here"
      status_code  = "404"
    }
  }
}

resource "aws_lb" "this" {
  name               = var.name
  internal           = true
  load_balancer_type = "application"
  subnets            = var.subnet_ids
  security_groups    = [aws_security_group.balancer.id]

  drop_invalid_header_fields = true
  enable_deletion_protection = true

  access_logs {
    bucket  = var.bucket_name
    prefix  = "balancer"
    enabled = true
  }
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
  from_port         = 443
  to_port           = 443
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

output "service_control_policy" {
  description = "For the organisation that the account belongs to."
  value       = module.guard_policies.service_control_policy
}
