#!/usr/bin/env bash
# What the image has of Amazon's packages, at their newest, and what it must not have. The application brings along all it
# needs, so there is little to install.
set -euo pipefail

# The newest release of the repository, not the one that the source image is locked to.
dnf --assumeyes --quiet upgrade --releasever=latest
dnf --assumeyes --quiet install amazon-ssm-agent audit
systemctl enable amazon-ssm-agent.service auditd.service

# The session of this build lives on in its process; no other session will be opened. Session Manager is the way in.
dnf --assumeyes --quiet remove openssh-server ec2-instance-connect
