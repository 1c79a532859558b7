variable "fleet" {
  type        = string
  description = "The fleet that the image is for: the value of its tag driftless:fleet."

  validation {
    condition     = can(regex("^[a-z0-9-]{1,40}$", var.fleet))
    error_message = "A fleet's name has 1 to 40 of a-z, 0-9 and the hyphen, as on its Auto Scaling groups."
  }
}

variable "build" {
  type        = string
  description = "What orders the images of a fleet: numbers, or dates and times, such as 1842.1 or 20261120T190405Z. A later image has a greater one."

  validation {
    condition     = can(regex("^[0-9][0-9A-Za-z.-]{0,63}$", var.build))
    error_message = "A build begins with a digit and has up to 64 letters, digits, dots and hyphens."
  }
}

variable "commit" {
  type        = string
  description = "The commit that the image was built from."

  validation {
    condition     = can(regex("^[0-9a-f]{7,40}$", var.commit))
    error_message = "A commit has 7 to 40 hexadecimal digits."
  }
}

variable "architecture" {
  type        = string
  description = "arm64 or x86_64. It must be that of the fleet's release: Driftless turns another one away."

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture is arm64 or x86_64."
  }
}

variable "region" {
  type        = string
  description = "Where the image is built and kept."
  default     = "us-east-1"
}

variable "subnet_id" {
  type        = string
  description = "Where the builder runs: a subnet that reaches Systems Manager and the package repository, inbound rules are not needed. Empty: one of the default VPC."
  default     = ""
}

variable "kms_key_id" {
  type        = string
  description = "The key that encrypts the image, as id, alias or ARN. Empty: the account's own for EBS. A fleet in another account needs a key that it may use."
  default     = ""
}

variable "application" {
  type        = string
  description = "A tar file with the application's root file system, by default that of infra/container for the architecture."
  default     = ""
}

variable "days_until_deprecated" {
  type        = number
  description = "After so many days the image is hidden from those who look for images. What runs, runs on, and rolling back to it still works."
  default     = 90

  validation {
    condition     = var.days_until_deprecated >= 1 && var.days_until_deprecated <= 3650
    error_message = "Between a day and ten years, which is the most that EC2 takes."
  }
}
