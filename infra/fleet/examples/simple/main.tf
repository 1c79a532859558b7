# The least that makes a fleet: a pair behind a load balancer, two to six instances.

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
  default     = "simple"
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

module "fleet" {
  source = "../.."

  name               = var.name
  capacity           = { min = 2, max = 6 }
  image_id           = var.image_id
  user_data          = var.user_data
  subnet_ids         = var.subnet_ids
  security_group_ids = [aws_security_group.instances.id]

  target   = { vpc_id = var.vpc_id, port = 8080, health_path = "/health" }
  listener = { load_balancer_arn = aws_lb.this.arn, port = 80, protocol = "HTTP" }

  policy = { mode = "act" }
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
