"""Writes a one-layer image in docker-archive form, as `docker load` and `ctr images import` take it.

    archive.py FOLDER OUT.tar NAME:TAG --entrypoint JSON [--user UID:GID] [--env A=B]... [--workdir DIR]
               [--own PATH=UID:GID]...

The same folder gives the same bytes, whatever the files' times and owners.
"""

import argparse
import hashlib
import io
import json
import os
import pathlib
import tarfile


def layer(folder, owners):
    """The folder as a tar: root's files, but for the paths in `owners`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(pathlib.Path(folder).rglob("*")):
            info = tar.gettarinfo(str(path), arcname=str(path.relative_to(folder)))
            info.uid, info.gid = owners.get("/" + info.name, (0, 0))
            info.uname = info.gname = ""
            info.mtime = 0
            if info.isreg():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    return buffer.getvalue()


def config(args, digest):
    run = {"Entrypoint": json.loads(args.entrypoint), "User": args.user, "Env": args.env, "WorkingDir": args.workdir}
    machine = os.uname().machine
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def owner(text):
    path, _, ids = text.partition("=")
    uid, gid = ids.split(":")
    return path, (int(uid), int(gid))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("reference")
    parser.add_argument("--entrypoint", required=True)
    parser.add_argument("--user", default="")
    parser.add_argument("--workdir", default="/")
    parser.add_argument("--env", action="append", default=["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    parser.add_argument("--own", action="append", default=[], type=owner)
    args = parser.parse_args()

    data = layer(args.folder, dict(args.own))
    digest = hashlib.sha256(data).hexdigest()
    settings = json.dumps(config(args, digest)).encode()
    name = f"{hashlib.sha256(settings).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [args.reference], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(args.out + ".part", "w") as tar:
        # The large one last, so that whoever asks what is in it need not read all of it.
        add(tar, "manifest.json", json.dumps(manifest).encode())
        add(tar, name, settings)
        add(tar, f"{digest}/layer.tar", data)
    os.replace(args.out + ".part", args.out)


if __name__ == "__main__":
    main()
