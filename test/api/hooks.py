"""Bodies that the fuzzer does not know how to send: bytes as they are."""
import schemathesis


@schemathesis.serializer("application/vnd.sqlite3", "application/x-ndjson", "application/x-protobuf")
def raw_bytes(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.serializer("application/offset+octet-stream")
def upload_bytes(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
