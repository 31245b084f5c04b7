"""SQS: queues, leases, polling, and a transport that is quicker than boto3's."""
