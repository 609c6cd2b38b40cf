"""AFS, which the hadoop command reads like HDFS."""

from paddle_serving_server.commands.monitor.hadoop import check, fetch, stamp

__all__ = ["check", "fetch", "stamp"]
