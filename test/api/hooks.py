"""Bodies that the fuzzer does not know how to send: bytes as they are."""
import schemathesis


@schemathesis.serializer("application/vnd.sqlite3")
def sqlite_file(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
