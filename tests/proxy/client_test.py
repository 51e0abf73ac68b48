#!/usr/bin/env python3
"""pawl and a real pawld, with TLS, client certificates and HTTP proxies in between. Takes the folder of both."""

import hashlib
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BIN = None
PATIENCE_S = 60
TOKEN = "of-the-operator"


def pump(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Listener:
    """Serves each connection on its own thread, until the test ends."""

    def __init__(self, test, context=None):
        self.context = context
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.heads = []  # the first bytes of each connection
        test.addClassCleanup(self.socket.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.begin, args=(connection,), daemon=True).start()

    def begin(self, connection):
        try:
            with self.context.wrap_socket(connection, server_side=True) if self.context else connection as spoken:
                self.serve(spoken)
        except OSError:
            connection.close()

    def head(self, connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = connection.recv(1)
            if not piece:
                raise OSError("no head")
            head += piece
        self.heads.append(head.decode())
        return head


class Forwarder(Listener):
    """Copies all bytes to another port, and back: a proxy that terminates TLS."""

    def __init__(self, test, to, context=None):
        self.to = to
        super().__init__(test, context)

    def serve(self, connection):
        self.join(connection, b"")

    def join(self, connection, first):
        with socket.create_connection(("127.0.0.1", self.to)) as beyond:
            beyond.sendall(first)
            back = threading.Thread(target=pump, args=(beyond, connection), daemon=True)
            back.start()
            pump(connection, beyond)
            back.join()


class ConnectProxy(Forwarder):
    """Takes a CONNECT to any host to one port."""

    def serve(self, connection):
        self.head(connection)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.join(connection, b"")


class PlainProxy(Forwarder):
    """Takes `GET http://host/path` for any host to one port."""

    def serve(self, connection):
        head = self.head(connection)
        self.join(connection, re.sub(rb"^(\w+) http://[^/]+", rb"\1 ", head).replace(
            b"Host:", b"Connection: close\r\nHost:", 1))


class Page(Listener):
    """Answers every request with a page for people."""

    def __init__(self, test, status, context=None):
        self.status = status
        super().__init__(test, context)

    def serve(self, connection):
        self.head(connection)
        page = b"<html><body>Please log in to the guest network</body></html>"
        connection.sendall(f"HTTP/1.1 {self.status}\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n"
                           "Connection: close\r\n\r\n".encode() + page)
        connection.close()


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pawl-")  # short: it holds a socket
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.write("tokens", f"o operate {hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
        cls.token = cls.write("token", TOKEN + "\n")
        with open(cls.folder / "pawld.log", "ab") as log:
            pawld = subprocess.Popen([BIN / "pawld", "--data", cls.folder / "data", "--listen", "127.0.0.1:0", "--tokens",
                                      cls.folder / "tokens"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        cls.addClassCleanup(pawld.wait)
        cls.addClassCleanup(pawld.terminate)
        cls.pawld_port = cls.port_of_pawld()
        cls.make_certificates()
        cls.tls = Forwarder(cls, cls.pawld_port, cls.context("server"))
        cls.url = f"https://127.0.0.1:{cls.tls.port}"
        cls.trusted = ("--cacert", str(cls.folder / "ca.pem"))

    @classmethod
    def write(cls, name, text):
        path = cls.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    @classmethod
    def port_of_pawld(cls):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            said = (cls.folder / "pawld.log").read_text(encoding="utf-8")
            if found := re.search(r"127\.0\.0\.1 port (\d+)", said):
                return int(found[1])
            time.sleep(0.02)
        raise AssertionError(f"pawld does not come up\n{said}")

    @classmethod
    def openssl(cls, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=cls.folder)

    @classmethod
    def make_certificates(cls):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        for authority in ("ca", "other"):
            cls.openssl("req", "-x509", *key, "-days", "2", "-subj", f"/CN={authority}", "-keyout", f"{authority}.key",
                        "-out", f"{authority}.pem")
        for name, extra in (("server", "subjectAltName=IP:127.0.0.1,DNS:pawl.example"),
                            ("elsewhere", "subjectAltName=DNS:elsewhere.example"),
                            ("client", "extendedKeyUsage=clientAuth")):
            cls.write("extra", extra)
            cls.openssl("req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            cls.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                        "-days", "2", "-extfile", "extra", "-out", f"{name}.pem")

    @classmethod
    def context(cls, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cls.folder / f"{name}.pem", cls.folder / f"{name}.key")
        return context

    def environment(self, variables):
        own = {name: value for name, value in os.environ.items()
               if not name.startswith("PAWL_") and not name.lower().endswith("_proxy")}
        return own | {"XDG_CONFIG_HOME": str(self.folder / "none"), "PAWL_TOKEN_FILE": str(self.token)} | variables

    def pawl(self, *words, **variables):
        return subprocess.run([BIN / "pawl", *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                              env=self.environment(variables))

    def refused(self, *words, exit=1, **variables):
        ran = self.pawl(*words, **variables)
        self.assertEqual((ran.returncode, ran.stdout), (exit, ""), ran.stderr)
        return ran.stderr

    def answered(self, *words, **variables):
        ran = self.pawl(*words, **variables)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return ran.stdout

    def test_tls_with_an_authority_that_is_named(self):
        self.answered("submit", "T-1", "--repo", "shop", "--url", self.url, *self.trusted)
        self.assertIn("T-1", self.answered("task", PAWL_URL=self.url, PAWL_CACERT=self.trusted[1]))
        config = self.write("pawl.conf", f"url = {self.url}\ncacert = {self.trusted[1]}\ntoken-file = {self.token}\n")
        self.assertIn("T-1", self.answered("--config", config, "task", PAWL_TOKEN_FILE=""))

    def test_certificate_that_is_not_trusted_is_refused(self):
        for words in ((), ("--cacert", str(self.folder / "other.pem"))):
            said = self.refused("task", "--url", self.url, *words)
            self.assertIn(f"the certificate of {self.url} is not trusted (", said)
            self.assertIn("--cacert FILE (PAWL_CACERT)", said)
        said = self.refused("task", "--url", self.url, "--cacert", self.token, exit=2)
        self.assertIn("--cacert: ", said)

    def test_certificate_for_another_host_is_refused(self):
        elsewhere = Forwarder(type(self), self.pawld_port, self.context("elsewhere"))
        said = self.refused("task", "--url", f"https://127.0.0.1:{elsewhere.port}", *self.trusted)
        self.assertIn(f"the certificate of https://127.0.0.1:{elsewhere.port} is for another host (", said)

    def test_client_certificate_is_shown_where_one_is_asked_for(self):
        context = self.context("server")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.folder / "ca.pem")
        strict = Forwarder(type(self), self.pawld_port, context)
        at = ("--url", f"https://127.0.0.1:{strict.port}", *self.trusted)
        pair = ("--cert", str(self.folder / "client.pem"), "--key", str(self.folder / "client.key"))
        self.answered("queue", *at, *pair)
        self.answered("queue", *at, PAWL_CERT=pair[1], PAWL_KEY=pair[3])
        # In TLS 1.3 the refusal comes after the handshake, and may be lost with the connection.
        self.assertRegex(self.refused("queue", *at), f"{at[1]} .*client certificate.*--cert FILE")
        wrong = self.refused("queue", *at, *pair[:3], str(self.folder / "server.key"), exit=2)
        self.assertIn("--cert, --key: ", wrong)
        (self.folder / "client.key").chmod(0o644)
        self.addCleanup((self.folder / "client.key").chmod, 0o600)
        self.assertIn("others may read", self.refused("queue", *at, *pair, exit=2))

    def test_each_scheme_is_told_from_the_other(self):
        said = self.refused("task", "--url", f"https://127.0.0.1:{self.pawld_port}", *self.trusted)
        self.assertIn(f"https://127.0.0.1:{self.pawld_port} does not speak TLS (", said)
        self.assertIn("is it http://?", said)
        said = self.refused("task", "--url", self.url.replace("https", "http"))
        self.assertRegex(said, "(is it|does it expect) https://")

    def test_records_come_through_as_they_are_written(self):
        words = [BIN / "pawl", "tail", "--json", "--url", self.url, *self.trusted]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=self.environment({})) as tail:
            self.addCleanup(tail.kill)
            for number in range(3):
                self.answered("submit", f"S-{number}", "--repo", f"stream-{number}", "--url", self.url, *self.trusted)
                self.assertTrue(any(f'"S-{number}"' in line for line in tail.stdout))
            tail.kill()

    def test_proxy_tunnels_https_and_sees_no_token(self):
        proxy = ConnectProxy(type(self), self.tls.port)
        there = ("--url", "https://pawl.example", *self.trusted)
        self.answered("task", *there, https_proxy=f"http://127.0.0.1:{proxy.port}")
        self.assertTrue(proxy.heads and all(head.startswith("CONNECT pawl.example:443 ") for head in proxy.heads))
        self.assertNotIn(TOKEN, "".join(proxy.heads))
        self.assertNotIn("Authorization", "".join(proxy.heads))

    def test_proxy_forwards_http(self):
        proxy = PlainProxy(type(self), self.pawld_port)
        via = {"http_proxy": f"http://127.0.0.1:{proxy.port}"}
        self.answered("task", "--url", "pawl.example:7777", **via)
        self.assertTrue(proxy.heads[0].startswith("GET http://pawl.example:7777/v1/tasks"))
        self.assertIn("Could not resolve host", self.refused("task", "--url", "pawl.invalid:7777", no_proxy="*", **via))

    def test_this_machine_is_never_asked_through_a_proxy(self):
        proxy = PlainProxy(type(self), self.pawld_port)
        every = {name: f"http://127.0.0.1:{proxy.port}" for name in ("http_proxy", "https_proxy", "all_proxy")}
        self.answered("task", "--url", f"127.0.0.1:{self.pawld_port}", **every)
        self.answered("task", "--url", self.url, *self.trusted, **every)
        self.answered("task", "--data", self.folder / "data", **every)
        self.assertEqual(proxy.heads, [])

    def test_page_is_never_taken_for_an_answer(self):
        for status in ("200 OK", "403 Forbidden", "503 Service Unavailable"):
            page = Page(type(self), status)
            number = status.split()[0]
            at = f"127.0.0.1:{page.port}"
            words = f"HTTP status {number}, text/html, '<html><body>Please log in to the guest network</body></html>'"
            for command in (("task",), ("log", "1"), ("tail", "--no-follow"), ("settings", "a=b")):
                self.assertIn(f"the server at {at} is not pawld: {words}", self.refused(*command, "--url", at))
            said = self.refused("task", "--url", "pawl.example:80", http_proxy=f"http://{at}")
            self.assertIn(f"the server at pawl.example:80 is not pawld: {words}", said)
            self.assertIn("it may be the proxy that http_proxy names", said)
            if number != "200":
                said = self.refused("task", "--url", "https://pawl.example", https_proxy=f"http://{at}")
                self.assertIn(f"response {number}", said)
                self.assertIn("https_proxy names a proxy", said)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
