"""A network for the server's machines: the default VPC, and its subnets in zones that offer the machine's type."""

from __future__ import annotations

from lab2.aws.failures import user_errors
from lab2.aws.session import AwsSession
from lab2.errors import UserError

MACHINE = "t4g.micro"  # as aws.yaml has it; of us-east-1's six zones one does not offer it (use1-az3)


def default_network(aws: AwsSession) -> dict[str, str]:
    """Return the parameters Vpc and Subnets of aws.yaml; UserError if the account has no network that would do."""
    with user_errors("the networks of this account"):
        ec2 = aws.client("ec2")
        vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        if not vpcs:
            raise UserError("This account has no default VPC here. Name a network: Vpc=vpc-... Subnets=subnet-...,...")
        offers = ec2.describe_instance_type_offerings(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [MACHINE]}]
        )["InstanceTypeOfferings"]
        zones = {offer["Location"] for offer in offers}
        vpc = str(vpcs[0]["VpcId"])
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    fitting = sorted(subnet["SubnetId"] for subnet in subnets if subnet["AvailabilityZone"] in zones)
    if not fitting:
        raise UserError(f"No zone of the default VPC's subnets offers {MACHINE}. Name others: Vpc=... Subnets=...")
    return {"Vpc": vpc, "Subnets": ",".join(fitting)}
