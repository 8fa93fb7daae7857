#!/usr/bin/env python3
"""What the real tools make of specifications and command lines.

Installs npm's parsers, npx, pnpm, bun, yarn, uv, pipx and packaging into a temporary directory and asks them the
first columns of tests/fixtures/resolvers/*.tsv. `--write` records the answers, without it they are compared with the
recorded ones. policy-schema compares its own answers with the tables in a normal test.

Nothing is fetched by the runners but from a registry on the loopback, which serves a package under every name that
says what ran and with what arguments. docker, podman and go are asked if they are there: the engines with a daemon on
the loopback that starts nothing and writes down what it is asked for, go with a module proxy there. `dpkg -x` of the
Debian packages is enough for these, with PATH and LD_LIBRARY_PATH.
"""

import argparse
import base64
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.parse
import zipfile
from pathlib import Path

TABLES = Path(__file__).resolve().parent.parent / "fixtures" / "resolvers"
VERSIONS = ["1.0.0", "1.2.3", "2.0.0"]
PLANTED = [".evil", "..evil", "evil", "1.0.0", "1.x", "latest", "v1.0.0"]
NPM = ["npm-package-arg@13.0.2", "semver@7.8.6", "pnpm@12.21.0", "bun@1.4.5", "@yarnpkg/cli-dist@4.18.1"]
PYPI = ["packaging==26.3", "uv==0.13.8", "pipx==1.18.4"]

CLI = """#!/usr/bin/env node
const p = require('./package.json');
console.log('\\nRAN ' + p.name + '@' + p.version + '\\t' + JSON.stringify(process.argv.slice(2)));
"""
MODULE = """import json, sys
def main():
    print('\\nRAN NAME@VERSION\\t' + json.dumps(sys.argv[1:]), flush=True)
"""


GO = """package main

import "os"

func main() {
	print("\\nRAN NAME@VERSION\\t")
	print(len(os.Args) - 1)
	for _, arg := range os.Args[1:] {
		print(" ", len(arg), ":", arg)
	}
	print("\\n")
}
"""


def module(name, version):
    """A Go module with a program at its root and another below cmd/x."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in ("main.go", "cmd/x/main.go"):
            package = name + ("/cmd/x" if "/" in path else "")
            archive.writestr(f"{name}@{version}/{path}", GO.replace("NAME", package).replace("VERSION", version))
        archive.writestr(f"{name}@{version}/go.mod", f"module {name}\n")
    return out.getvalue()


def tarball(name, version):
    out = io.BytesIO()
    manifest = {"name": name, "version": version, "bin": {name.split("/")[-1]: "cli.js"}}
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, text, mode in [("package.json", json.dumps(manifest), 0o644), ("cli.js", CLI, 0o755)]:
            info = tarfile.TarInfo("package/" + path)
            info.size, info.mode = len(text), mode
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue(), manifest


def wheel(name, version):
    out = io.BytesIO()
    module = re.sub("[-_.]+", "_", name)
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": MODULE.replace("NAME", name).replace("VERSION", version),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: extra\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {module}:main\n",
    }
    record = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return out.getvalue()


BACKEND = """import base64, hashlib, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = 'good-9.9.9-py3-none-any.whl'
    with open(folder + '/' + name, 'wb') as out:
        out.write(base64.b64decode('WHEEL'))
    return name
build_editable = build_wheel
def build_sdist(folder, config_settings=None):
    raise NotImplementedError
"""


def plant(cwd):
    """Projects in the working directory that call themselves `good`: what is run is theirs if it is version 9.9.9."""
    backend = BACKEND.replace("WHEEL", base64.b64encode(wheel("good", "9.9.9")).decode())
    project = """[project]
name = "good"
version = "9.9.9"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
    manifest = json.dumps({"name": "good", "version": "9.9.9", "bin": {"good": "cli.js"}})
    for name in PLANTED:
        folder = Path(cwd) / name
        folder.mkdir()
        for path, text in [("package.json", manifest), ("cli.js", CLI), ("pyproject.toml", project),
                           ("backend.py", backend)]:
            (folder / path).write_text(text)
        (folder / "cli.js").chmod(0o755)


class Registry(http.server.BaseHTTPRequestHandler):
    """npm at /npm/, a Python index at /simple/, Go modules at /go/, and the API of a container engine everywhere else."""

    asked = []
    created = []

    def log_message(self, *_):
        pass

    def send(self, body, kind="application/json", status=200):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Api-Version", "1.50")
        self.send_header("Libpod-Api-Version", "4.3.1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if path.startswith("/npm/-/tar/"):
            name, version = path[len("/npm/-/tar/"):].removesuffix(".tgz").rsplit("/", 1)
            return self.send(tarball(name, version)[0], "application/octet-stream")
        if path.startswith("/npm/"):
            return self.packument(path[len("/npm/"):])
        if path.startswith("/go/"):
            return self.go(re.sub("!([a-z])", lambda m: m[1].upper(), path[len("/go/"):]))
        if path.startswith("/simple/"):
            name = path.split("/")[2]
            self.asked.append(name)
            links = "".join(f'<a href="/wheels/{w}">{w}</a>' for w in self.wheels(name))
            return self.send(f"<!DOCTYPE html><html><body>{links}</body></html>", "text/html")
        if path.startswith("/wheels/"):
            module, version = path.split("/")[2].removesuffix(".metadata").split("-")[:2]
            return self.send(wheel(module.replace("_", "-"), version), "application/octet-stream")
        return self.send("OK" if path.endswith("/_ping") else "{}", "text/plain")

    def go(self, path):
        name, _, what = path.partition("/@")
        if not re.fullmatch(r"example\.test/[A-Za-z]+", name):
            return self.send("not found", "text/plain", 404)
        versions = ["v" + version for version in VERSIONS[:2]]
        if what == "v/list":
            return self.send("\n".join(versions), "text/plain")
        version, _, form = (versions[-1] + ".info" if what == "latest" else what.removeprefix("v/")).rpartition(".")
        if version not in versions:
            return self.send("not found", "text/plain", 404)
        self.asked.append(f"{name}@{version}")
        return self.send({
            "info": json.dumps({"Version": version, "Time": "2020-01-01T00:00:00Z"}),
            "mod": f"module {name}\n", "zip": module(name, version),
        }[form])

    def packument(self, name):
        if not re.fullmatch(r"(@[^/]+/)?[^/]+", name):
            return self.send("{}", status=404)
        self.asked.append(name)
        host = f"http://127.0.0.1:{self.server.server_address[1]}"
        versions = {}
        for version in VERSIONS:
            data, manifest = tarball(name, version)
            digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
            dist = {
                "tarball": f"{host}/npm/-/tar/{name}/{version}.tgz",
                "integrity": "sha512-" + digest,
                "shasum": hashlib.sha1(data).hexdigest(),
            }
            versions[version] = {**manifest, "dist": dist}
        self.send(json.dumps({
            "name": name, "dist-tags": {"latest": VERSIONS[-1], "next": VERSIONS[0]}, "versions": versions,
            "time": {v: "2020-01-01T00:00:00.000Z" for v in VERSIONS},
        }))

    @staticmethod
    def wheels(name):
        return [f"{re.sub('[-_.]+', '_', name)}-{version}-py3-none-any.whl" for version in VERSIONS]

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while length := int(self.rfile.readline(), 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        return body

    def do_POST(self):
        body = self.body()
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if "/images/create" in self.path:
            self.created.append((query.get("fromImage", [""])[0], query.get("tag", [""])[0]))
        elif "/images/pull" in self.path:
            return self.send(json.dumps({"images": ["1"], "id": "1"}))
        elif "/containers/create" in self.path:
            self.created.append(json.loads(body))
        self.send(json.dumps({"message": "written down"}), status=500)


class Tools:
    timeout = 60

    def __init__(self, root, install):
        self.root = root
        home = root / "home"
        (home / "docker").mkdir(parents=True)
        (home / "docker/config.json").write_text("{}")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{self.server.server_address[1]}"
        keep = {k: v for k, v in os.environ.items() if k in ("LANG", "SSL_CERT_FILE", "LD_LIBRARY_PATH", "GOROOT")}
        for command in (["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", root / "npm", *NPM],
                        [sys.executable, "-m", "venv", root / "venv"],
                        [root / "venv/bin/pip", "install", "--quiet", *PYPI]) if install else ():
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self.env = {
            **keep,
            "HOME": str(home),
            "PATH": f"{root}/npm/node_modules/.bin:{root}/venv/bin:{os.environ['PATH']}",
            "npm_config_registry": host + "/npm/", "NPM_CONFIG_REGISTRY": host + "/npm/",
            "BUN_CONFIG_REGISTRY": host + "/npm/", "PNPM_CONFIG_REGISTRY": host + "/npm/",
            "YARN_NPM_REGISTRY_SERVER": host + "/npm", "YARN_UNSAFE_HTTP_WHITELIST": "127.0.0.1",
            "YARN_ENABLE_TELEMETRY": "0", "npm_config_update_notifier": "false", "npm_config_audit": "false",
            "npm_config_fetch_retries": "0", "UV_HTTP_RETRIES": "0", "YARN_HTTP_RETRY": "0", "PIP_RETRIES": "0",
            "UV_DEFAULT_INDEX": host + "/simple/", "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never",
            "PIP_INDEX_URL": host + "/simple/", "PIP_TRUSTED_HOST": "127.0.0.1", "PIPX_DEFAULT_BACKEND": "uv",
            "DOCKER_HOST": host.replace("http", "tcp"), "DOCKER_CONFIG": str(home / "docker"),
            "DOCKER_API_VERSION": "1.50", "CONTAINER_HOST": host.replace("http", "tcp"),
            "GOPROXY": host + "/go", "GONOSUMDB": "*", "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local",
        }

    def run(self, argv, stdin=None, stream="stdout"):
        with tempfile.TemporaryDirectory(dir=self.root) as cwd:
            if argv[0] != "docker":
                plant(cwd)
            try:
                done = subprocess.run(argv, cwd=cwd, env=self.env, input=stdin or "", capture_output=True,
                                      text=True, timeout=self.timeout)
            except FileNotFoundError:
                return ""
            except subprocess.TimeoutExpired:
                # says why an answer differs: what is ended in the middle may keep the tool's store locked, too
                print(f"given up after {self.timeout} s: {argv}", file=sys.stderr)
                return ""
        said = getattr(done, stream)
        return said if done.returncode == 0 or "RAN " in said else ""

    def node(self, code, cases):
        env = {**self.env, "NODE_PATH": f"{self.root}/npm/node_modules"}
        read = "const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
        done = subprocess.run(["node", "-e", read + code], input=json.dumps(cases), env=env, check=True,
                              capture_output=True, text=True)
        return json.loads(done.stdout)

    def python(self, code, cases):
        read = "import json, sys\ncases = json.load(sys.stdin)\n"
        done = subprocess.run([self.root / "venv/bin/python", "-c", read + code], input=json.dumps(cases), check=True,
                              capture_output=True, text=True)
        return json.loads(done.stdout)


def npm_specs(tools, cases):
    """kind, name and version as npm-package-arg reads them."""
    return tools.node("""
const npa = require('npm-package-arg');
console.log(JSON.stringify(cases.map(([spec]) => {
  try {
    let r = npa(spec, '/w');
    if (r.type === 'alias') r = r.subSpec;
    const kind = r.registry ? 'npm' : r.type;
    const key = r.hosted && !r.hosted.auth ? r.hosted.domain + '/' + r.hosted.user + '/' + r.hosted.project : '';
    return [kind, r.registry ? (r.name || '') : key, r.registry ? r.fetchSpec : (r.gitCommittish || r.gitRange || '')];
  } catch (e) { return ['refused', '', '']; }
})));""", cases)


def npm_ranges(tools, cases):
    """Whether a version satisfies a range."""
    return tools.node("""
const semver = require('semver');
console.log(JSON.stringify(cases.map(([range, version]) =>
  [semver.validRange(range) === null ? 'refused' : String(semver.satisfies(version, range))])));""", cases)


def pypi_specs(tools, cases):
    """Name, specifier, extras, URL and marker as packaging reads them."""
    return tools.python("""
from packaging.requirements import Requirement, InvalidRequirement
from packaging.utils import canonicalize_name
out = []
for (spec,) in cases:
    try:
        r = Requirement(spec)
        out.append([canonicalize_name(r.name), str(r.specifier), ','.join(sorted(r.extras)), r.url or '', str(r.marker or '')])
    except InvalidRequirement:
        out.append(['refused', '', '', '', ''])
print(json.dumps(out))""", cases)


def pypi_ranges(tools, cases):
    """Whether a version fits a specifier, prereleases included."""
    return tools.python("""
from packaging.specifiers import SpecifierSet, InvalidSpecifier
out = []
for spec, version in cases:
    try:
        out.append([str(SpecifierSet(spec).contains(version, prereleases=True)).lower()])
    except InvalidSpecifier:
        out.append(['refused'])
print(json.dumps(out))""", cases)


def images(tools, cases):
    """The image that docker asks its daemon for."""
    out = []
    for (reference,) in cases:
        Registry.created.clear()
        tools.run(["docker", "pull", "--", reference])
        found = [created for created in Registry.created if isinstance(created, tuple)]
        out.append(list(found[0]) if found else ["refused", ""])
    return out


def docker_run(tools, cases):
    """What docker asks its daemon to start."""
    out = []
    for (argv,) in cases:
        Registry.created.clear()
        tools.run(json.loads(argv))
        found = [created for created in Registry.created if isinstance(created, dict)]
        made = found[0] if found else None
        out.append([made["Image"], json.dumps(made["Cmd"] or []), json.dumps(sorted(made["Env"] or [])),
                    json.dumps(made["Entrypoint"] or [])] if made else ["refused", "", "", ""])
    return out


def podman_run(tools, cases):
    """What podman asks its service to start."""
    out = []
    for (text,) in cases:
        Registry.created.clear()
        tools.run(json.loads(text))
        found = [created for created in Registry.created if isinstance(created, dict)]
        made = found[0] if found else None
        usual = {"TERM": "xterm", "container": "podman"}
        env = {name: value for name, value in ((made or {}).get("env") or {}).items() if usual.get(name) != value}
        out.append([made["image"], json.dumps(made.get("command") or []),
                    json.dumps(sorted(f"{name}={value}" for name, value in env.items())),
                    json.dumps(made.get("entrypoint") or [])] if made else ["refused", "", "", ""])
    return out


def go_run(tools, cases):
    """The package that go runs, and what reaches it."""
    out = []
    for (text,) in cases:
        print(text, file=sys.stderr, flush=True)
        # What goes to standard error is the program's: its `print` needs no library.
        said = tools.run(json.loads(text), stream="stderr")
        ran = re.search(r"^RAN (\S+)\t\d+(.*)$", said, re.M)
        out.append(["ran", ran[1], json.dumps(given(ran[2]))] if ran else ["nothing", "", ""])
    return out


def given(text):
    """` 1:a 3:--b` as a list."""
    words = []
    while text:
        length, _, rest = text.strip(" ").partition(":")
        words.append(rest[:int(length)])
        text = rest[int(length):]
    return words


def commands(tools, cases):
    """The package that a runner fetches and runs, and what reaches it."""
    out = []
    for (text,) in cases:
        argv = json.loads(text)
        Registry.asked.clear()
        print(text, file=sys.stderr, flush=True)
        stdout = tools.run(argv)
        ran = re.findall(r"^RAN (\S+)\t(.*)$", stdout, re.M)
        asked = sorted(set(Registry.asked) - {"npm", "pip", "pnpm"})
        # An interpreter cannot say RAN: what it printed is what was run.
        what = ["ran", *ran[0]] if ran else (["asked", " ".join(asked), ""] if asked else ["nothing", "", ""])
        out.append(what)
    return out


READERS = {"npm-specs": (npm_specs, 1), "npm-ranges": (npm_ranges, 2), "pypi-specs": (pypi_specs, 1),
           "pypi-ranges": (pypi_ranges, 2), "images": (images, 1), "docker-run": (docker_run, 1),
           "commands": (commands, 1), "go-run": (go_run, 1), "podman-run": (podman_run, 1)}
# Tables of a tool that is not installed for them: its name, and how it tells its version.
OWN = {"images": ("docker", "--version"), "docker-run": ("docker", "--version"), "go-run": ("go", "version"),
       "podman-run": ("podman", "--version")}


def version_of(tools, *argv):
    return (tools.run(list(argv)).split() or ["?"])[-1].strip(",")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="record the answers")
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(READERS)}; all if none is named")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="resolvers-"))
    differences = 0
    try:
        tools = Tools(root, set(args.tables or READERS) - set(OWN))
        npm = "npm@" + version_of(tools, "npm", "--version")
        used = {"npm": " ".join(NPM[:2]), "pypi": PYPI[0], "commands": " ".join([npm, *NPM[2:], *PYPI[1:]])}
        for name in args.tables or READERS:
            own = OWN.get(name)
            if own and not shutil.which(own[0]):
                print(f"{name}: no {own[0]} here, left out")
                continue
            read, width = READERS[name]
            path = TABLES / f"{name}.tsv"
            lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line and not line.startswith("#")]
            cases = [[json.loads(f'"{cell}"') if width == 1 and name.endswith("specs") else cell
                      for cell in line.split("\t")[:width]] for line in lines]
            answers = read(tools, cases)
            made = ["\t".join([*line.split("\t")[:width], *answer]) for line, answer in zip(lines, answers)]
            for old, new in zip(lines, made):
                if old != new:
                    differences += 1
                    print(f"{name}: recorded {old!r}\n{' ' * len(name)}  now      {new!r}")
            if args.write:
                by = tools.run(list(own)).strip() if own else used[name.split("-")[0]]
                head = f"# {read.__doc__}\n# by {by}; written by tests/long/resolvers.py --write\n"
                path.write_text(head + "\n".join(made) + "\n", encoding="utf-8")
        tools.server.shutdown()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    sys.exit(1 if differences and not args.write else 0)


main()
