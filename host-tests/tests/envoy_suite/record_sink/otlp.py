"""Reads OTLP/HTTP requests, one a line, by protobuf's own parser; prints what it found in each log record."""

import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

for line in sys.stdin:
    # It refuses fields that the protocol does not have, and values of another kind.
    request = json_format.Parse(line, ExportLogsServiceRequest())
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                attributes = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in record.attributes}
                print(json.dumps({"time": record.time_unix_nano, "body": record.body.string_value, **attributes}))
