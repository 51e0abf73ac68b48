"""A persistent connection to pawld, and the cases its clients must tell apart: a request that was never sent, one that
was sent but not answered, and one that was answered."""

import http.client
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/delivery"))
from pawl_example import UnixConnection  # noqa: E402


class NotSent(Exception):
    """Not connected: the request cannot have happened."""


class NoAnswer(Exception):
    """It was sent, at least in part. It may have happened, or may still happen."""


class Answer:
    def __init__(self, status, body, replayed):
        self.status = status
        self.body = body  # JSON, or its text where it is none
        self.replayed = replayed  # by its idempotency key

    @property
    def error(self):
        return self.body["error"]["code"] if isinstance(self.body, dict) and "error" in self.body else None


def is_starting(answer):
    """Whether the daemon has examined nothing yet, because it is still replaying its log."""
    return answer.status == 503 and answer.error == "starting"


class Wire:
    """For one thread. After any error, the next request gets a new connection."""

    def __init__(self, path, timeout_s):
        self._path = path
        self._timeout_s = timeout_s
        self._connection = None

    def request(self, method, path, body=None, headers=None):
        if self._connection is None:
            connection = UnixConnection(self._path, self._timeout_s)
            try:
                connection.connect()
            except OSError as error:
                connection.close()
                raise NotSent(repr(error)) from error
            self._connection = connection
        try:
            data = None if body is None else json.dumps(body)
            self._connection.request(method, path, data, headers or {})
            response = self._connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(repr(error)) from error
        try:
            answer = json.loads(text)
        except ValueError:
            answer = text
        return Answer(response.status, answer, response.headers.get("Idempotency-Replayed") == "true")

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None
