//! Classifies why a launch failed, from AWS's message: a capacity shortage, a wrong configuration, or unknown.
//!
//! The class decides who has to act. A shortage passes: it never counts against an image, and the fleet backs off. A
//! wrong configuration fails again however long the fleet waits.

use serde::{Deserialize, Serialize};

/// Why a launch failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchFault {
    /// AWS has no capacity for the instance, or a limit applies: a quota, the free addresses of a subnet, or the rate
    /// of API calls.
    Capacity,
    /// The launch request cannot succeed: its image, launch template, key pair, role or network is wrong, or a
    /// permission is missing.
    Configuration,
    /// The message shows neither of these causes.
    Unknown,
}

/// Parts of AWS's messages about a shortage, in lower case: error codes of EC2, and the sentences that Auto Scaling
/// builds from them.
const SHORTAGES: [&str; 19] = [
    "insufficientinstancecapacity",
    "insufficientcapacity",
    "insufficienthostcapacity",
    "insufficientreservedinstancecapacity",
    "reservationcapacityexceeded",
    "unfulfillablecapacity",
    "do not have sufficient",
    "no spot capacity",
    "there is no capacity",
    "vcpulimitexceeded",
    "instancelimitexceeded",
    "maxspotinstancecountexceeded",
    "volumelimitexceeded",
    "your quota allows",
    "more vcpu capacity than your current",
    "than your current instance limit",
    "insufficientfreeaddressesinsubnet",
    "enough free addresses",
    "requestlimitexceeded",
];

/// Parts of AWS's messages about a wrong launch request, in lower case.
const MISTAKES: [&str; 22] = [
    "invalidamiid",
    "invalidimageid",
    "image id",
    "invalidlaunchtemplate",
    "launch template",
    "invalidgroup",
    "security group",
    "invalidkeypair",
    "key pair",
    "invalidparameter",
    "invalidsubnet",
    "invalidsnapshot",
    "invalidblockdevicemapping",
    "instance profile",
    "unauthorizedoperation",
    "not authorized",
    "client error on launch",
    "invalidkmskey",
    "architecture",
    "not supported in your requested availability zone",
    "requested configuration is currently not supported",
    "optinrequired",
];

/// Classifies AWS's message. A shortage takes precedence, because a message about capacity often mentions instance
/// types and zones too.
pub fn classify(message: &str) -> LaunchFault {
    let message = message.to_lowercase();
    let names_one_of = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if names_one_of(&SHORTAGES) {
        LaunchFault::Capacity
    } else if names_one_of(&MISTAKES) {
        LaunchFault::Configuration
    } else {
        LaunchFault::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_of_servers_quota_addresses_or_calls_is_a_matter_of_capacity() {
        for message in [
            "We currently do not have sufficient m5.large capacity in the Availability Zone you requested (eu-central-1a). \
             Our system will be working on provisioning additional capacity. Launching EC2 instance failed.",
            "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no Spot capacity available that \
             matches your request. Launching EC2 instance failed.",
            "Could not launch On-Demand Instances. VcpuLimitExceeded - You have requested more vCPU capacity than your \
             current vCPU limit of 32 allows for the instance bucket that the specified instance type belongs to.",
            "Your quota allows for 0 more running instance(s). You requested at least 1. Launching EC2 instance failed.",
            "InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet 'subnet-1' to satisfy the \
             requested number of instances.",
            "RequestLimitExceeded: Request limit exceeded.",
        ] {
            assert_eq!(classify(message), LaunchFault::Capacity, "{message}");
        }
    }

    #[test]
    fn a_launch_that_was_asked_for_wrongly_is_a_matter_of_configuration() {
        for message in [
            "The image id '[ami-00000000000000002]' does not exist. Launching EC2 instance failed.",
            "The specified launch template, with template ID lt-1, does not exist. Launching EC2 instance failed.",
            "The security group 'sg-1' does not exist in VPC 'vpc-1'. Launching EC2 instance failed.",
            "Client.InternalError: Client error on launch.",
            "You are not authorized to perform this operation. Launching EC2 instance failed.",
            "The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64' of the \
             specified AMI.",
        ] {
            assert_eq!(classify(message), LaunchFault::Configuration, "{message}");
        }
    }

    #[test]
    fn what_tells_neither_is_unknown() {
        for message in ["", "the maximum is reached", "Server.InternalError: Internal error on launch"] {
            assert_eq!(classify(message), LaunchFault::Unknown, "{message}");
        }
    }
}
