terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Version 6 is another set of resources: no test has shown yet that a plan after a cutover is empty there.
      version = ">= 5.100, < 6.0"
    }
  }
}
