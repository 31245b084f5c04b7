"""lab2: statistics over queues, and hot dog or not, on AWS."""

__version__ = "1.1.0.dev0"
