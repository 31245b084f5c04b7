"""The network of the server's machines: the default VPC, and whether machines work in given subnets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab2.aws.failures import user_errors
from lab2.aws.session import AwsSession
from lab2.errors import UserError

MACHINE = "t4g.micro"  # as aws.yaml has it; of us-east-1's six zones one does not offer it (use1-az3)


def default_network(aws: AwsSession) -> dict[str, str]:
    """Return the parameters Vpc and Subnets of aws.yaml; UserError if the account has no suitable network."""
    with user_errors("the networks of this account"):
        ec2 = aws.client("ec2")
        vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        if not vpcs:
            raise UserError("This account has no default VPC here. Name a network: Vpc=vpc-... Subnets=subnet-...,...")
        zones = _zones(ec2)
        vpc = str(vpcs[0]["VpcId"])
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    fitting = sorted(subnet["SubnetId"] for subnet in subnets if subnet["AvailabilityZone"] in zones)
    if not fitting:
        raise UserError(f"No zone of the default VPC's subnets offers {MACHINE}. Name others: Vpc=... Subnets=...")
    return {"Vpc": vpc, "Subnets": ",".join(fitting)}


def check_subnets(aws: AwsSession, ids: Sequence[str]) -> str:
    """Return that the server's machines can work in these subnets; UserError names one that they can't, and why."""
    with user_errors("the networks of this account"):
        ec2 = aws.client("ec2")
        zones = _zones(ec2)
        subnets = ec2.describe_subnets(SubnetIds=list(ids))["Subnets"]
        vpc = [{"Name": "vpc-id", "Values": [subnet["VpcId"] for subnet in subnets[:1]]}]
        tables = ec2.describe_route_tables(Filters=vpc)["RouteTables"]
        endpoints = ec2.describe_vpc_endpoints(Filters=vpc)["VpcEndpoints"]
    served = {str(endpoint["ServiceName"]).rpartition(".")[2] for endpoint in endpoints}
    for subnet in subnets:
        if subnet["AvailabilityZone"] not in zones:
            raise UserError(
                f"{subnet['SubnetId']} is in {subnet['AvailabilityZone']}, which does not offer {MACHINE}. Deploy with "
                "Subnets= that do without it."
            )
        if not _leads_out(tables, subnet["SubnetId"]) and not {"s3", "sqs"} <= served:
            raise UserError(
                f"{subnet['SubnetId']} has no route out, so its machines can't reach AWS. Give it one to an internet "
                "or NAT gateway, or its VPC endpoints of S3 and SQS."
            )
    return f"{', '.join(ids)} offer {MACHINE} and reach AWS"


def _zones(ec2: Any) -> set[str]:
    """Return the availability zones that offer the machine's type."""
    offers = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [MACHINE]}]
    )["InstanceTypeOfferings"]
    return {offer["Location"] for offer in offers}


def _leads_out(tables: Sequence[Any], subnet: str) -> bool:
    """Return whether the route table of a subnet, its own or else the VPC's main one, leads to all addresses."""

    def is_of(table: Any, field: str, value: object) -> bool:
        return any(association.get(field) == value for association in table["Associations"])

    own = [table for table in tables if is_of(table, "SubnetId", subnet)]
    main = [table for table in tables if is_of(table, "Main", True)]
    return any(
        route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("State") == "active"
        for table in own or main
        for route in table["Routes"]
    )
