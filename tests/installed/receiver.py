"""A receiver and a mirror over HTTPS: receiver.py FOLDER.

In FOLDER lie server.pem (certificate and key) and token. Posted lines are appended to FOLDER/received.ndjson before they are
answered, and what lies in FOLDER/site is given to whoever has the token.
"""

import gzip
import hashlib
import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 8443
folder = Path(sys.argv[1])
one_at_a_time = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def is_known(self):
        return self.headers.get("authorization") == "Bearer " + (folder / "token").read_text().strip()

    def answer(self, status, body=b"", tag=None):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if tag:
            self.send_header("etag", tag)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = folder / "site" / Path(self.path).name
        if not self.is_known():
            return self.answer(401)
        if not path.is_file():
            return self.answer(404)
        body = path.read_bytes()
        tag = '"' + hashlib.sha256(body).hexdigest() + '"'
        if self.headers.get("if-none-match") == tag:
            return self.answer(304)
        self.answer(200, body, tag)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.is_known():
            return self.answer(401)
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with one_at_a_time, open(folder / "received.ndjson", "ab") as out:
            out.write(body if body.endswith(b"\n") else body + b"\n")
            out.flush()
            os.fsync(out.fileno())
        self.answer(200)

    def log_message(self, *_):
        pass


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(folder / "server.pem")
server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
