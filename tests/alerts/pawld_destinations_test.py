#!/usr/bin/env python3
"""Where a real pawld's alerts go: chats by the bodies in examples/alerts, mail, and the test of all. Takes the paths of
pawld and pawl."""

import email
import email.policy
import json
import pathlib
import subprocess
import sys

from pawld_kit import PATIENCE_S, SOURCE, PawldTest, recording_hook, recording_mail, run

EXAMPLES = SOURCE / "examples/alerts"
PASSWORD = "passw0rd-of-the-mail-server"
HOSTILE = "red\rBcc: mallory@example.org\r.\rMAIL FROM:<x@y> <!channel> @channel ```` </div>"
PIPELINE = """
name: delivery
agents:
  worker:
    run: ["/bin/true"]
stages:
  - name: analysis
    agent: worker
    gate:
      run: ["/bin/sh", "-c", "cat {reason}; exit 1"]
    to: done
"""


class Destinations(PawldTest):
    def start_pawld(self, *options):
        self.reason = self.folder / "reason"
        pipeline = self.folder / "pipeline.yaml"
        pipeline.write_text(PIPELINE.format(reason=self.reason), encoding="utf-8")
        super().start_pawld("--pipeline", pipeline, *options)

    def block_a_task(self, reason):
        """Has its gate say why it is red."""
        self.reason.write_bytes(reason.encode())
        self.wants(200, "POST", "/v1/settings", {"job.max_attempts": 1})
        self.wants(201, "POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop", "branch": "w-1"})

    def start_with_hook(self, body, *options, path="/hook", answers=()):
        hook = self.serve(recording_hook(answers))
        url = f"http://127.0.0.1:{hook.server_port}{path}"
        self.start_pawld("--alert-url", url, "--alert-body", EXAMPLES / body, *options)
        return hook

    def mail_options(self, server, tls="smtp", to=("team@example.org",)):
        options = ["--alert-smtp", f"{tls}://127.0.0.1:{server.server_address[1]}", "--alert-mail-from", "pawl@example.org"]
        for recipient in to:
            options += ["--alert-mail-to", recipient]
        if server.login:
            options += ["--alert-smtp-login-file", self.secret("login", f"pawl\n{PASSWORD}\n")]
        return options

    def outcomes(self):
        """Has alerts tested: what became of it, by destination."""
        answer = self.wants(200, "POST", "/v1/alerts/test", {})
        return {each["name"]: (each["result"], each["why"]) for each in answer["destinations"]}

    def pawl(self, *words):
        return subprocess.run([self.pawl_path, *words, "--socket", self.socket], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)

    def test_slack_shows_a_reason_as_text(self):
        hook = self.start_with_hook("slack.json")
        self.block_a_task(HOSTILE)
        body = json.loads(hook.requests.get(timeout=PATIENCE_S)[3])
        self.assertRegex(body["text"], r"^pawl: an alert of record \d+$")
        block = body["blocks"][0]["text"]
        self.assertEqual(block["type"], "plain_text", "a name in it calls no one")
        self.assertIn("W-1 of shop (task 1", block["text"])
        self.assertIn("<!channel>", block["text"])

    def test_mattermost_shows_a_reason_as_text(self):
        hook = self.start_with_hook("mattermost.json")
        self.block_a_task(HOSTILE)
        lines = json.loads(hook.requests.get(timeout=PATIENCE_S)[3])["text"].split("\n")
        self.assertEqual((lines[0], lines[-1]), ("````text", "````"))
        self.assertEqual([line for line in lines[1:-1] if not line.startswith("pawl: ")], [], "the fence stays closed")

    def test_matrix_is_sent_once_however_often_it_is_tried(self):
        path = "/_matrix/client/v3/rooms/!room:example.org/send/m.room.message/{id}"
        hook = self.start_with_hook("matrix.json", "--alert-method", "PUT", path=path, answers=[429, None])
        self.block_a_task("it is time")
        requests = [hook.requests.get(timeout=PATIENCE_S) for _ in range(3)]
        self.assertEqual({(method, path) for method, path, _, _ in requests}, {("PUT", requests[0][1])})
        self.assertRegex(requests[0][1], r"/m\.room\.message/[0-9a-f]{16}$")
        body = json.loads(requests[2][3])
        self.assertEqual((body["msgtype"], body["m.mentions"]), ("m.text", {}))
        self.assertIn("job_failed: the gate of analysis is red: it is time: W-1 of shop", body["body"])

    def test_mail_arrives_whole_over_starttls_and_tls(self):
        certificate = self.certificate()
        for tls, scheme in ("starttls", "smtp"), ("implicit", "smtps"):
            with self.subTest(tls):
                server = self.serve(recording_mail(tls, certificate, ["pawl", PASSWORD]))
                to = ("team@example.org", "grace@example.org")
                self.start_pawld(*self.mail_options(server, scheme, to), "--ca-file", certificate[0])
                self.assertEqual(self.outcomes(), {"mail server at 127.0.0.1": ("delivered", None)})
                sender, recipients, text, is_secure = server.messages.get(timeout=PATIENCE_S)
                self.assertTrue(is_secure)
                self.assertTrue(sender.startswith("MAIL FROM:<pawl@example.org>"), sender)
                self.assertEqual(recipients, ["RCPT TO:<team@example.org>", "RCPT TO:<grace@example.org>"])
                message = email.message_from_bytes(text, policy=email.policy.default)
                self.assertTrue(message["Subject"].startswith("pawl: test: this is a test"), message["Subject"])
                self.assertEqual(message["To"], "team@example.org, grace@example.org")
                self.assertEqual(message.defects, [])

    def test_a_reason_adds_nothing_to_a_mail(self):
        server = self.serve(recording_mail())
        self.start_pawld(*self.mail_options(server), "--alert-smtp-tls", "off")
        self.block_a_task(HOSTILE + " \u00fc")
        sender, recipients, text, _ = server.messages.get(timeout=PATIENCE_S)
        self.assertEqual((sender.split(" ")[1], recipients), ("FROM:<pawl@example.org>", ["RCPT TO:<team@example.org>"]))
        message = email.message_from_bytes(text, policy=email.policy.default)
        self.assertEqual(sorted(message.keys()), sorted({
            "Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
            "Content-Transfer-Encoding"}))
        self.assertIn("Bcc: mallory@example.org", message["Subject"])
        self.assertIn("work_item: W-1", message.get_content())
        self.assertRegex(message["Message-ID"], r"^<pawl-\d+-[0-9a-f]{16}@example\.org>$")

    def test_what_a_mail_server_refuses_is_said_without_the_password(self):
        certificate = self.certificate()
        no_tls = self.serve(recording_mail(login=["pawl", PASSWORD]))
        login = self.serve(recording_mail("starttls", certificate, ["pawl", "another"]))
        strange = self.serve(recording_mail("starttls", certificate, ["pawl", PASSWORD]))
        busy = self.serve(recording_mail(at_mail="451 4.7.1 greylisted"))
        closed = self.serve(recording_mail(at_mail="550 5.7.1 not from here"))
        plain = ("--alert-smtp-tls", "off")
        for server, options, result, words in (
                (no_tls, (), "failed", "STARTTLS"),
                (login, ("--ca-file", certificate[0]), "refused", "535 5.7.8 no such login (secret)"),
                (strange, (), "failed", "certificate"),
                (busy, plain, "failed", "451 4.7.1 greylisted"),
                (closed, plain, "refused", "550 5.7.1 not from here")):
            with self.subTest(words):
                self.start_pawld(*self.mail_options(server), *options)
                given, why = self.outcomes()["mail server at 127.0.0.1"]
                self.assertEqual(given, result, why)
                self.assertIn(words, why)
                self.assertTrue(server.messages.empty())
        self.assertNotIn(PASSWORD, " ".join(no_tls.lines + strange.lines), "a login in the clear")
        self.assertFalse(any(line.startswith("AUTH") for line in no_tls.lines + strange.lines))
        self.assertNotIn(PASSWORD, self.said())

    def test_one_wrong_address_does_not_keep_a_mail_from_the_others(self):
        server = self.serve(recording_mail())
        to = ("unknown@example.org", "team@example.org")
        self.start_pawld(*self.mail_options(server, to=to), "--alert-smtp-tls", "off")
        result, why = self.outcomes()["mail server at 127.0.0.1"]
        self.assertEqual((result, why), ("delivered", "not to every recipient: 550 5.1.1 no such user"))
        self.assertEqual(server.messages.get(timeout=PATIENCE_S)[1], ["RCPT TO:<team@example.org>"])

    def test_the_command_says_what_became_of_each(self):
        hook = self.start_with_hook("slack.json", "--alert-command", "/bin/false", answers=[404])
        ended = self.pawl("alerts", "test")
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertRegex(ended.stdout, r"^command: failed: exit code 1, see .*\nwebhook at 127\.0\.0\.1: refused: HTTP 404")
        text = json.loads(hook.requests.get(timeout=PATIENCE_S)[3])["blocks"][0]["text"]["text"]
        self.assertTrue(text.startswith("pawl: test: this is a test of pawl's alerts"), text)
        ended = self.pawl("alerts", "test", "--json")
        self.assertEqual([each["result"] for each in json.loads(ended.stdout)["destinations"]], ["failed", "delivered"])
        self.assertEqual(self.pawl("alerts", "tset").returncode, 2)

    def test_without_destinations_the_command_says_so(self):
        self.start_pawld()
        ended = self.pawl("alerts", "test")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("--alert-url", ended.stdout)

    def test_what_cannot_work_is_refused(self):
        smtp = ["--alert-smtp", "smtp://mail.example.org", "--alert-mail-from", "pawl@example.org"]
        self.assertIn("--alert-mail-to", self.refused(*smtp))
        open_file = self.folder / "open"
        open_file.write_text(f"pawl\n{PASSWORD}\n")
        said = self.refused(*smtp, "--alert-mail-to", "a@b", "--alert-smtp-login-file", open_file)
        self.assertIn("others may read", said)
        self.assertNotIn(PASSWORD, said)
        self.assertIn("no certificate", self.refused(*smtp, "--alert-mail-to", "a@b", "--ca-file", open_file))


if __name__ == "__main__":
    Destinations.pawl_path = pathlib.Path(sys.argv.pop(2)).resolve()
    run(Destinations)
