"""fetch.py CLIENT URL FOLDER

Clones a repository as libgit2 (pygit2) or dulwich do, or fetches into the clone that is in the folder, and prints the refs
that the server has told, as JSON: full names to ids.
"""

import json
import os
import sys


def pygit2_fetch(url, folder):
    import pygit2

    if not os.path.exists(folder):
        pygit2.clone_repository(url, folder, bare=True)
    repository = pygit2.Repository(folder)
    remote = repository.remotes["origin"]
    remote.fetch(["+refs/*:refs/*"])
    return {head.name: str(head.oid) for head in remote.list_heads()}


def dulwich_fetch(url, folder):
    from dulwich.client import get_transport_and_path
    from dulwich.repo import Repo

    client, path = get_transport_and_path(url)
    repository = Repo(folder) if os.path.exists(folder) else Repo.init_bare(folder, mkdir=True)
    refs = client.fetch(path, repository).refs
    for name, value in refs.items():
        if name != b"HEAD" and not name.endswith(b"^{}"):
            repository.refs[name] = value
    return {name.decode(): value.decode() for name, value in refs.items() if value}


client, url, folder = sys.argv[1:]
refs = {"pygit2": pygit2_fetch, "dulwich": dulwich_fetch}[client](url, folder)
json.dump(refs, sys.stdout)
