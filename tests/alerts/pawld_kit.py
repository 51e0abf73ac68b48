"""A pawld for one test, in a folder of its own, and servers that keep what they are sent."""

import base64
import http.server
import json
import os
import pathlib
import queue
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "examples/delivery"))
from pawl_example import UnixConnection  # noqa: E402

PATIENCE_S = 60


class PawldTest(unittest.TestCase):
    pawld = None  # its path

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pawl-")  # short: it holds a socket
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.socket = str(self.folder / "pawl.sock")
        self.daemon = None
        self.addCleanup(self.kill)

    def command(self, *options):
        return [self.pawld, "--data", self.folder / "data", "--socket", self.socket, *options]

    def start_pawld(self, *options):
        self.kill()
        with open(self.folder / "pawld.log", "ab") as log:
            self.daemon = subprocess.Popen(self.command(*options), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env=os.environ | {"no_proxy": "127.0.0.1"})
        self.wait_until(self.is_ready)

    def kill(self):
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()

    def refused(self, *options):
        """What pawld says when it does not start."""
        ended = subprocess.run(self.command(*options), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(ended.returncode, 2, ended.stderr)
        self.assertFalse((self.folder / "data").exists(), "it has made something")
        return ended.stderr

    def secret(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def said(self):
        return (self.folder / "pawld.log").read_text(encoding="utf-8")

    def is_ready(self):
        self.assertIsNone(self.daemon.poll(), self.said())
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def wait_until(self, condition, what=lambda: ""):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.02)
        self.fail(f"never came true\n{what()}\n{self.said()}")

    def request(self, method, path, body=None, actor=None):
        connection = UnixConnection(self.socket, PATIENCE_S)
        try:
            headers = {"Pawl-Actor": actor} if actor else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or "null")
        finally:
            connection.close()

    def wants(self, status, method, path, body=None):
        given, answer = self.request(method, path, body)
        self.assertEqual(given, status, answer)
        return answer

    def serve(self, server):
        """Runs a server until the test ends."""
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return server

    def certificate(self):
        """A certificate for the loopback and its key, in files that are made here."""
        certificate, key = self.folder / "server.crt", self.folder / "server.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=mail.example", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        return certificate, key


class RecordingHook(http.server.BaseHTTPRequestHandler):
    """Answers as server.answers says, in this order: a status, a pair of status and headers, or None for no answer and
    a closed connection; after them 200."""

    def keep(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.answers.pop(0) if self.server.answers else 200
        self.server.requests.put((self.command, self.path, self.headers, body))
        if answer is None:
            self.close_connection = True
            return
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        self.send_response(status)
        for name, value in ({"Content-Length": "0"} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    do_POST = do_PUT = keep

    def log_message(self, *_):
        pass


def recording_hook(answers=()):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RecordingHook)
    server.daemon_threads = True
    server.requests = queue.Queue()
    server.answers = list(answers)
    return server


class RecordingMail(socketserver.StreamRequestHandler):
    """Speaks as much SMTP as a client needs, and keeps each message with its envelope."""

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        server = self.server
        if server.tls == "implicit":
            self.use_tls()
        self.say("220 mail.example ESMTP")
        sender, recipients, is_secure = None, [], server.tls == "implicit"
        while raw := self.rfile.readline():  # not always of the same file: TLS replaces it
            line = raw.decode().rstrip("\r\n")
            verb = line.split(" ")[0].split(":")[0].upper()
            server.lines.append(line)
            if verb == "EHLO":
                offers = ["STARTTLS"] if server.tls == "starttls" and not is_secure else []
                offers += ["AUTH PLAIN"] if server.login else []
                for offer in offers:
                    self.say("250-" + offer)
                self.say("250 8BITMIME")
            elif verb == "STARTTLS":
                self.say("220 go on")
                self.use_tls()
                is_secure = True
            elif verb == "AUTH":
                words = line.split(" ")
                if len(words) < 3:
                    self.say("334 ")
                    words.append(self.rfile.readline().decode().strip())
                given = base64.b64decode(words[2]).decode().split("\0")[1:]
                self.say("235 welcome" if given == server.login else f"535 5.7.8 no such login {words[2]}")
            elif verb == "MAIL":
                sender, recipients = line, []
                self.say(server.at_mail)
            elif verb == "RCPT":
                if "unknown@" in line:
                    self.say("550 5.1.1 no such user")
                else:
                    recipients.append(line)
                    self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                server.messages.put((sender, recipients, text, is_secure))
                self.say("250 kept")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def use_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.server.certificate)
        self.wfile.flush()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def finish(self):
        super().finish()
        self.connection.close()


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that leaves, as it does not trust the certificate
            super().handle_error(request, client_address)


def recording_mail(tls="off", certificate=None, login=None, at_mail="250 ok"):
    """`tls`: off, starttls or implicit. `login`: user and password."""
    server = MailServer(("127.0.0.1", 0), RecordingMail)
    server.tls, server.certificate, server.login, server.at_mail = tls, certificate, login, at_mail
    server.messages = queue.Queue()
    server.lines = []
    return server


def run(test_class):
    """For the end of a file of tests: takes pawld's path from the command line."""
    test_class.pawld = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(module="__main__")
