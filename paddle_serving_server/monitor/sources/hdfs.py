"""HDFS."""

from paddle_serving_server.monitor.hadoop import check, fetch, stamp

__all__ = ["check", "fetch", "stamp"]
