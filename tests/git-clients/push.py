"""push.py CLIENT REPOSITORY URL SOURCE:TARGET…

Pushes as libgit2 (pygit2) or dulwich do, full names of refs to full names of refs, and prints what became of them as JSON: for
each ref null or the server's reason, what the server said, and the error in which it ended, if it did. Over SSH, libgit2 logs in
with the key that PUSH_KEY names.
"""

import json
import os
import sys


def pygit2_push(repository, url, refspecs):
    import pygit2

    refs, said = {}, []

    class Callbacks(pygit2.RemoteCallbacks):
        def push_update_reference(self, name, reason):
            refs[name] = reason

        def sideband_progress(self, text):
            said.append(text)

        def credentials(self, _url, _user, _allowed):
            key = os.environ["PUSH_KEY"]
            return pygit2.Keypair("git", f"{key}.pub", key, "")

        def certificate_check(self, _certificate, _valid, _host):
            return True

    try:
        pygit2.Repository(repository).remotes.create_anonymous(url).push(refspecs, callbacks=Callbacks())
        error = None
    except pygit2.GitError as failure:
        error = str(failure)
    return refs, "".join(said), error


def dulwich_push(repository, url, refspecs):
    from dulwich.client import SendPackResult, get_transport_and_path
    from dulwich.errors import GitProtocolError, SendPackError
    from dulwich.objects import ZERO_SHA
    from dulwich.repo import Repo

    repository = Repo(repository)
    said = []

    def update(_old):
        pairs = [refspec.removeprefix("+").encode().split(b":") for refspec in refspecs]
        return {target: repository.refs[source] if source else ZERO_SHA for source, target in pairs}

    client, path = get_transport_and_path(url)
    try:
        result: SendPackResult = client.send_pack(path, update, repository.generate_pack_data, progress=said.append)
        refs = {name.decode(): reason for name, reason in (result.ref_status or {}).items()}
        error = None
    except (GitProtocolError, SendPackError) as failure:
        refs, error = {}, str(failure)
    return refs, b"".join(said).decode(), error


client, repository, url, *refspecs = sys.argv[1:]
refs, said, error = {"pygit2": pygit2_push, "dulwich": dulwich_push}[client](repository, url, refspecs)
json.dump({"refs": refs, "said": said, "error": error}, sys.stdout)
