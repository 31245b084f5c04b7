#!/bin/sh
# Send what the server's service says to CloudWatch Logs: sudo sh deploy/cloudwatch.sh REGION LOG-GROUP
# After install.sh, on Amazon Linux. The role of the machine must be allowed to write to the group. DESTDIR puts everything
# under another folder, and starts nothing.
set -eu
[ $# -eq 2 ] || { echo "usage: sh cloudwatch.sh REGION LOG-GROUP" >&2; exit 2; }
root=${DESTDIR:-}
log=/var/log/lab2-server.log
agent=/opt/aws/amazon-cloudwatch-agent

[ -n "$root" ] || dnf install --assumeyes amazon-cloudwatch-agent logrotate

mkdir -p "$root/etc/systemd/system/lab2-server.service.d" "$root/etc/logrotate.d" "$root$agent/etc"
cat >"$root/etc/systemd/system/lab2-server.service.d/cloudwatch.conf" <<END
# CloudWatch Logs makes metrics of the lines in JSON.
[Service]
ExecStart=
ExecStart=/opt/lab2/venv/bin/lab2-server --log-format json
StandardOutput=append:$log
StandardError=append:$log
END
cat >"$root/etc/logrotate.d/lab2-server" <<END
$log {
    size 10M
    rotate 1
    copytruncate
    missingok
}
END
cat >"$root$agent/etc/lab2.json" <<END
{
    "agent": { "region": "$1" },
    "logs": {
        "logs_collected": {
            "files": {
                "collect_list": [
                    { "file_path": "$log", "log_group_name": "$2", "log_stream_name": "{instance_id}" }
                ]
            }
        }
    }
}
END
[ -z "$root" ] || exit 0
systemctl daemon-reload
systemctl restart lab2-server
"$agent/bin/amazon-cloudwatch-agent-ctl" -a fetch-config -m ec2 -s -c "file:$agent/etc/lab2.json"
