"""A web server for a folder of files, configured by static.json.

serve.py            serves the app in the current folder on $PORT
serve.py --check D  says what would be served from the app in D, or what is wrong with its static.json
"""

import http.server
import os
import re
import signal
import socket
import sys
import threading

import files
import settings as site

MAX_CONNECTIONS = 256
IDLE_SECONDS = 30


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "hoist-static"
    sys_version = ""
    timeout = IDLE_SECONDS

    def do_GET(self):
        try:
            self.answer()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    do_HEAD = do_GET

    def answer(self):
        settings = self.server.settings
        if moved := self.other_address(settings):
            return self.redirect(308, moved)
        try:
            path = files.clean_path(self.path)
        except ValueError:
            return self.send_text(400, "Bad request\n")
        if path in settings.redirects:
            return self.redirect(*settings.redirects[path])
        target = files.find(settings, path) if path else None
        if isinstance(target, str):
            # Only a path of this site's own; blanks and the like must not end the header.
            return self.redirect(301, files.urllib.parse.quote(target))
        target = target or self.routed(settings, path) or self.error_page(settings)
        return self.send_file(target, path) if target else self.send_text(404, "Not found\n")

    def other_address(self, settings):
        """Where the client should have come: the same page over TLS, or on the site's one host name."""
        host = self.headers.get("Host", "")
        plain = self.headers.get("X-Forwarded-Proto") == "http"
        wanted = settings.canonical_host or host
        # A target that is no plain path, and a host that is no name, have no other address.
        if not re.fullmatch(r"/(?!/)[!-~]*|/", self.path) or not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", wanted):
            return None
        if (settings.https_only and plain) or wanted != host:
            scheme = "https" if settings.https_only or not plain else "http"
            return f"{scheme}://{wanted}{self.path}"
        return None

    def routed(self, settings, path):
        for matches, page in settings.routes:
            if path and matches.fullmatch(path):
                return files.found(settings, os.path.join(settings.root, page.lstrip("/")))
        return None

    def error_page(self, settings):
        page = settings.error_page or "404.html"
        return files.found(settings, os.path.join(settings.root, page.lstrip("/")), status=404)

    def send_file(self, target, path):
        tag = f'"{self.server.contents.tag(target.path)}"'
        if target.status == 200 and self.has_already(tag):
            return self.start(304, path, {"ETag": tag, "Cache-Control": target.cache_control})
        fields = {"Content-Type": target.type, "Cache-Control": target.cache_control}
        zipped = self.zipped(target)
        if target.compressible:
            fields["Vary"] = "Accept-Encoding"
        if zipped:
            # Other bytes, so another tag: weak says that they mean the same.
            fields |= {"ETag": f"W/{tag}", "Content-Encoding": "gzip", "Content-Length": str(len(zipped))}
            self.start(target.status, path, fields)
            return self.send_body(zipped)
        return self.send_plain(target, path, fields | {"ETag": tag, "Accept-Ranges": "bytes"}, tag)

    def send_plain(self, target, path, fields, tag):
        first, last = 0, target.size - 1
        status = target.status
        asked = self.headers.get("Range") if status == 200 and self.headers.get("If-Range", tag) == tag else None
        if asked and (span := parse_range(asked, target.size)):
            if span == "unsatisfiable":
                return self.start(416, path, {"Content-Range": f"bytes */{target.size}", "Content-Length": "0"})
            first, last = span
            status = 206
            fields["Content-Range"] = f"bytes {first}-{last}/{target.size}"
        fields["Content-Length"] = str(last - first + 1)
        with open(target.path, "rb") as file:
            self.start(status, path, fields)
            if self.command == "GET":
                self.copy(file, first, last - first + 1)

    def copy(self, file, offset, length):
        file.seek(offset)
        while length and (piece := file.read(min(length, 1 << 16))):
            self.wfile.write(piece)
            length -= len(piece)
        # Fewer bytes than promised: only closing tells the client.
        self.close_connection = self.close_connection or length > 0

    def zipped(self, target):
        encodings = re.split(r"\s*,\s*", self.headers.get("Accept-Encoding", ""))
        wanted = "gzip" in encodings and not self.headers.get("Range")
        return self.server.contents.gzip(target.path) if wanted and target.compressible else None

    def has_already(self, tag):
        tags = re.split(r"\s*,\s*", self.headers.get("If-None-Match", ""))
        return "*" in tags or tag in (known.removeprefix("W/") for known in tags)

    def redirect(self, status, location):
        self.start(status, None, {"Location": location, "Content-Length": "0"})

    def send_text(self, status, text):
        fields = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text)), "Cache-Control": "no-cache"}
        self.start(status, None, fields)
        self.send_body(text.encode())

    def start(self, status, path, fields):
        fields = {"X-Content-Type-Options": "nosniff"} | fields
        for matches, own in self.server.settings.headers:
            if path and matches.fullmatch(path):
                fields |= own
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()

    def send_body(self, body):
        if self.command == "GET":
            self.wfile.write(body)

    def send_error(self, code, message=None, explain=None):
        # For what never reached do_GET: unknown methods and malformed requests.
        self.close_connection = True
        code, allow = (405, {"Allow": "GET, HEAD"}) if code == 501 else (code, {})
        self.start(code, None, allow | {"Content-Length": "0", "Connection": "close"})

    def log_message(self, format, *args):
        # The router logs requests; here only what goes wrong would be news.
        pass


def parse_range(text, size):
    """One range as (first, last); "unsatisfiable"; None for what is better answered with the whole file."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", text.strip())
    if not match or match[1] + match[2] == "":
        return None
    if not match[1]:
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
        if match[2] and int(match[2]) < first:
            return None
    return (first, last) if first <= last else "unsatisfiable"


class Server(http.server.ThreadingHTTPServer):
    # More than a handful of clients may arrive at once.
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address, settings):
        self.settings = settings
        self.contents = files.Contents()
        self.permits = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, Handler)

    def process_request(self, request, client_address):
        # Further clients wait in the listening socket's queue.
        self.permits.acquire()
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            super().process_request(request, client_address)
        except BaseException:
            self.permits.release()
            raise

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.permits.release()

    def handle_error(self, request, client_address):
        print(f"cannot answer: {sys.exc_info()[1]}", file=sys.stderr)


def check(app):
    settings = site.load(app)
    for note in settings.notes:
        print(note)
    print(f"Serving {os.path.relpath(settings.root, os.path.realpath(app))}/")


def serve(app, port):
    server = Server(("0.0.0.0", port), site.load(app))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["--check"]:
            check(sys.argv[2])
        else:
            serve(os.getcwd(), int(os.environ.get("PORT", "5000")))
    except site.SettingsError as error:
        sys.exit(str(error))
