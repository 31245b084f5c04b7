"""The network of a fleet: the default VPC's subnets in zones that offer its machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.world import ROOT

from lab2.aws.network import check_subnets, default_network
from lab2.aws.session import AwsSession
from lab2.errors import UserError

sys.path.append(str(ROOT / "tools"))
import stores


@pytest.mark.long  # installs moto: the emulator does not know which zone offers which machine
@pytest.mark.timeout(600)
def test_a_fleet_gets_the_default_network_of_zones_that_offer_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (moto,) = (each for each in stores.STORES if each.name.startswith("moto"))
    with stores.running(moto, tmp_path / "moto") as url:
        settings = {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}  # fmt: skip
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        ec2 = AwsSession().client("ec2")
        network = default_network(AwsSession())
        subnets = ec2.describe_subnets(SubnetIds=network["Subnets"].split(","))["Subnets"]
        assert {subnet["VpcId"] for subnet in subnets} == {network["Vpc"]}
        zones = {zone["ZoneName"]: zone["ZoneId"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
        chosen = {zones[subnet["AvailabilityZone"]] for subnet in subnets}
        assert chosen and "use1-az3" in zones.values() and "use1-az3" not in chosen

        (table,) = ec2.describe_route_tables()["RouteTables"]
        ids = [subnet["SubnetId"] for subnet in subnets]
        with pytest.raises(UserError, match=f"{ids[0]} has no route out"):  # moto's default VPC leads nowhere
            check_subnets(AwsSession(), ids)
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=network["Vpc"])
        ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        assert ids[0] in check_subnets(AwsSession(), ids)
        (other,) = (
            subnet["SubnetId"]
            for subnet in ec2.describe_subnets()["Subnets"]
            if zones[subnet["AvailabilityZone"]] == "use1-az3"
        )
        with pytest.raises(UserError, match=f"{other} is in us-east-1.*does not offer t4g.micro"):
            check_subnets(AwsSession(), [*ids, other])
        closed = ec2.create_route_table(VpcId=network["Vpc"])["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=closed, SubnetId=ids[1])
        with pytest.raises(UserError, match=f"{ids[1]} has no route out"):
            check_subnets(AwsSession(), ids)
        for service in ("s3", "sqs"):
            ec2.create_vpc_endpoint(VpcId=network["Vpc"], ServiceName=f"com.amazonaws.us-east-1.{service}")
        assert check_subnets(AwsSession(), ids)
