"""The labeller that everybody writes first, which hotdog.py is measured against: bucket and number of pictures."""

import random
import sys

import boto3
import cv2
import numpy as np

bucket, count = sys.argv[1], int(sys.argv[2])
s3 = boto3.client("s3")
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="underbase/")
keys = [entry["Key"] for page in pages for entry in page["Contents"]]
for at, key in enumerate(random.sample(keys, count)):
    data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    if at == 0:
        cv2.namedWindow("Hot dog or not", cv2.WINDOW_NORMAL)
        cv2.resizeWindow("Hot dog or not", 960, 640)
        cv2.moveWindow("Hot dog or not", 60, 40)
    cv2.imshow("Hot dog or not", cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    label = chr(cv2.waitKey(0))
    table = s3.get_object(Bucket=bucket, Key="underbase.csv")["Body"].read()
    s3.put_object(Bucket=bucket, Key="underbase.csv", Body=table + f"{key},{label}\n".encode())
