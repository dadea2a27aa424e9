"""Reads static.json: what to serve, and how."""

import json
import os
import re

KNOWN = {"root", "clean_urls", "routes", "redirects", "error_page", "headers", "https_only", "canonical_host"}


class SettingsError(Exception):
    """static.json is wrong; the message says where."""


class Settings:
    """static.json with its defaults filled in."""

    def __init__(self, app, raw):
        self.notes = [f"static.json: `{key}` is not known and has no effect" for key in sorted(raw.keys() - KNOWN)]
        self.root = os.path.realpath(os.path.join(app, expect(raw, "root", str, default_root(app))))
        self.clean_urls = expect(raw, "clean_urls", bool, False)
        self.https_only = expect(raw, "https_only", bool, False)
        self.canonical_host = expect(raw, "canonical_host", str, None)
        self.error_page = expect(raw, "error_page", str, None)
        self.routes = [(pattern(glob), page) for glob, page in texts(raw, "routes").items()]
        self.redirects = dict(redirects(raw))
        self.headers = [(pattern(glob), fields) for glob, fields in headers(raw)]
        app = os.path.realpath(app)
        if self.root != app and not self.root.startswith(app + os.sep):
            raise SettingsError("`root` leads out of the app")
        if not os.path.isdir(self.root):
            raise SettingsError(f"`root`: there is no folder {os.path.relpath(self.root, app)}")


def load(app):
    """Reads APP/static.json, or takes the defaults when there is none."""
    path = os.path.join(app, "static.json")
    if not os.path.exists(path):
        return Settings(app, {})
    try:
        with open(path, encoding="utf-8") as file:
            raw = json.load(file)
    except ValueError as error:
        raise SettingsError(f"it is not valid JSON: {error}") from error
    if not isinstance(raw, dict):
        raise SettingsError("it should hold a JSON object: { … }")
    return Settings(app, raw)


def default_root(app):
    for folder in ("public_html", "public"):
        if os.path.isfile(os.path.join(app, folder, "index.html")):
            return folder
    return "."


def expect(raw, key, kind, default):
    value = raw.get(key, default)
    if value is not default and not isinstance(value, kind):
        raise SettingsError(f"`{key}` should be {'a text' if kind is str else 'true or false'}")
    return value


def texts(raw, key):
    value = raw.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise SettingsError(f"`{key}` should be an object from paths to texts")
    return value


def redirects(raw):
    value = raw.get("redirects", {})
    if not isinstance(value, dict):
        raise SettingsError('`redirects` should be an object such as {"/old": {"url": "/new", "status": 302}}')
    for path, target in value.items():
        if not isinstance(target, dict) or not isinstance(target.get("url"), str):
            raise SettingsError(f'`redirects`: "{path}" needs a `url`')
        status = target.get("status", 301)
        if status not in (301, 302, 303, 307, 308):
            raise SettingsError(f'`redirects`: the `status` of "{path}" should be 301, 302, 303, 307 or 308')
        yield path, (status, field_value("redirects", target["url"]))


def headers(raw):
    value = raw.get("headers", {})
    if not isinstance(value, dict):
        raise SettingsError("`headers` should be an object from paths to headers")
    for path, fields in value.items():
        if not isinstance(fields, dict) or not all(isinstance(text, str) for text in fields.values()):
            raise SettingsError(f'`headers`: "{path}" should hold an object from names to texts')
        if not all(re.fullmatch(r"[A-Za-z0-9-]+", name) for name in fields):
            raise SettingsError(f'`headers`: "{path}" has a name that is not a header\'s')
        yield path, {name: field_value("headers", text) for name, text in fields.items()}


def field_value(key, text):
    if not text.isprintable() or not text.isascii():
        raise SettingsError(f"`{key}`: {text!r} cannot be a header's value")
    return text


def pattern(glob):
    """`**` matches across folders, `*` within one."""
    parts = re.split(r"(\*\*|\*)", glob)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part) or re.escape(part) for part in parts))
