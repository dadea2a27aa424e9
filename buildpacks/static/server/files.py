"""From a request's path to a file's content, and nothing but the site's own files."""

import gzip
import hashlib
import mimetypes
import os
import re
import threading
import urllib.parse

# Parts of the app that are not part of its site, for sites served from the app's root.
PRIVATE = {"Procfile", "static.json", "app.json", "node_modules"}
# Types are named here rather than taken from the machine, so that a page is the same everywhere.
TYPES = mimetypes.MimeTypes()
for extension, kind in {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/x-icon",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".md": "text/markdown",
}.items():
    TYPES.add_type(kind, extension)
FINGERPRINT = re.compile(r"[.-][0-9a-f]{8,}\.[^/]+$")


class Found:
    """A file to send."""

    def __init__(self, path, status=200):
        self.path = path
        self.status = status
        self.size = os.path.getsize(path)
        kind, encoding = TYPES.guess_type(path)
        # A .tar.gz is an archive to keep, not an encoding to undo.
        kind = "application/gzip" if encoding == "gzip" else kind or "application/octet-stream"
        self.compressible = kind.startswith("text/") or kind.endswith(("json", "+xml", "/xml", "wasm"))
        self.type = f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith("json") else kind

    @property
    def cache_control(self):
        """A name with the content's fingerprint never changes its content; everything else may with each release."""
        return "public, max-age=31536000, immutable" if FINGERPRINT.search(self.path) else "no-cache"


def clean_path(target):
    """The decoded path of a request target, or None when it is not one that any file could have."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(target).path, errors="strict")
    parts = path.split("/")
    hidden = any(part.startswith(".") and part != ".well-known" for part in parts)
    if not path.startswith("/") or hidden or "\0" in path or "\\" in path or parts[1] in PRIVATE:
        return None
    # `//host` at the start would turn a redirect to a folder into one to another site.
    return "/" + "/".join(part for part in parts[:-1] if part) + ("/" if any(parts[:-1]) else "") + parts[-1]


def find(settings, path):
    """The file for a clean path; a text is the path to go to instead; None when there is nothing."""
    inside = os.path.join(settings.root, path.lstrip("/"))
    if path.endswith("/"):
        return found(settings, os.path.join(inside, "index.html"))
    if os.path.isdir(inside):
        return path + "/" if found(settings, os.path.join(inside, "index.html")) else None
    if settings.clean_urls and path.endswith(".html"):
        if found(settings, inside):
            return path.removesuffix("index.html") if path.endswith("/index.html") else path.removesuffix(".html")
    clean = found(settings, inside + ".html") if settings.clean_urls else None
    return found(settings, inside) or clean


def found(settings, path, status=200):
    """A file, unless a link leads out of the site."""
    real = os.path.realpath(path)
    if not os.path.isfile(real) or not real.startswith(settings.root + os.sep):
        return None
    return Found(real, status)


class Contents:
    """What is worth keeping of files that never change while the server runs: their hashes, and small ones zipped."""

    ZIP_UP_TO = 1 << 20
    KEEP = 64 << 20

    def __init__(self):
        self.lock = threading.Lock()
        self.tags = {}
        self.zipped = {}
        self.kept = 0

    def tag(self, path):
        """By content: times of files say nothing, each release has them all the same."""
        tag = self.tags.get(path)
        if tag is None:
            with open(path, "rb") as file:
                tag = hashlib.file_digest(file, "sha256").hexdigest()[:32]
            self.tags[path] = tag
        return tag

    def gzip(self, path):
        """A small file's content, zipped; None for files that are not small."""
        if path not in self.zipped and os.path.getsize(path) <= self.ZIP_UP_TO:
            with open(path, "rb") as file:
                body = gzip.compress(file.read(), mtime=0)
            with self.lock:
                if self.kept + len(body) > self.KEEP:
                    return body
                self.kept += len(body)
                self.zipped[path] = body
        return self.zipped.get(path)
