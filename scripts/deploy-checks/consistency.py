"""Checks what no linter knows about deploy/: versions, files that are named and must be there, and that the
build context of the image has everything that cargo reads."""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

import yaml

problems = []


def expect(true, problem):
    if not true:
        problems.append(problem)


def text(path):
    return pathlib.Path(path).read_text()


def versions():
    workspace = tomllib.loads(text("Cargo.toml"))["workspace"]["package"]
    version = workspace["version"]
    containerfile = text("deploy/Containerfile")
    label = re.search(r'image\.version="(.*?)"', containerfile)[1]
    expect(label == version, f"deploy/Containerfile: the label says {label}, Cargo.toml {version}")
    rust = re.search(r"FROM docker\.io/library/rust:([\d.]+)-", containerfile)[1]
    numbers = [[int(part) for part in it.split(".")] for it in (rust, workspace["rust-version"])]
    expect(numbers[0] >= numbers[1], f"deploy/Containerfile: Rust {rust} is older than rust-version")
    for path in ["deploy/compose.yml", "deploy/Containerfile"]:
        for tag in re.findall(r"splitcart:(\d[\d.]*\d)", text(path)):
            expect(tag == version, f"{path}: the image is of {tag}, Cargo.toml of {version}")
    for path in pathlib.Path("deploy/kubernetes").glob("*/kustomization.yaml"):
        for image in yaml.safe_load(path.read_text())["images"]:
            expect(image["newTag"] == version, f"{path}: newTag is not {version}")


def programs_of_the_image():
    """All tools but those that want servers of their own or a client's machine."""
    tools = set(re.findall(r'\btool\("(\w+)"', text("src/cli/tool.rs"))) - {"demo", "loadtest"}
    image = text("deploy/Containerfile")
    for tool in sorted(tools):
        expect(re.search(rf"\bsplitcart-{tool}\b", image), f"deploy/Containerfile lacks splitcart-{tool}")


def compose_files():
    compose = yaml.safe_load(text("deploy/compose.yml"))
    made = text("deploy/compose/make-secrets")
    for name, secret in compose["secrets"].items():
        expect(secret["file"] == f"./compose/secrets/{name}", f"compose.yml: the file of {name}")
        expect(re.search(rf"\b{name}\b", made), f"deploy/compose/make-secrets does not make {name}")
    for name, service in compose["services"].items():
        for secret in service.get("secrets", []):
            expect(secret in compose["secrets"], f"compose.yml: {name} uses an unknown secret {secret}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                there = (pathlib.Path("deploy") / source).exists()
                expect(there, f"compose.yml: {name} mounts {source}, which is not there")
            else:
                expect(source in compose["volumes"], f"compose.yml: no volume {source}")


def boards():
    """Grafana would start without a board that it can't read, or with two in the place of one."""
    files = sorted(pathlib.Path("deploy/grafana").glob("*.json"))
    uids = [json.loads(path.read_text())["uid"] for path in files]
    expect(len(set(uids)) == len(uids), f"deploy/grafana: boards share a uid: {uids}")
    home = re.search(r"HOME_DASHBOARD_PATH: /var/lib/splitcart/boards/(\S+)", text("deploy/compose.yml"))[1]
    expect(home in [path.name for path in files], f"compose.yml: there is no board {home}")


def drains():
    """A kill comes later than the end of a stop."""
    settings = tomllib.loads(text("deploy/kubernetes/service/splitcart.toml"))["http"]
    deployment = yaml.safe_load(text("deploy/kubernetes/service/deployment.yaml"))
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    expect(settings["drain_s_max"] < grace, "deployment.yaml: terminationGracePeriodSeconds is too short")
    default = tomllib.loads(text("config/default.toml"))["http"]["drain_s_max"]
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", text("deploy/systemd/splitcart.service"), re.M)[1])
    expect(default < stop, "splitcart.service: TimeoutStopSec is too short")
    compose = yaml.safe_load(text("deploy/compose.yml"))["services"]["splitcart"]
    expect(default < int(compose["stop_grace_period"][:-1]), "compose.yml: stop_grace_period is too short")


def build_context():
    """Everything that sources include is in the context."""
    lines = text(".containerignore").splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout
    context = {it for it in listed.splitlines() if any(it == k or it.startswith(k + "/") for k in kept)}
    for needed in ["Cargo.toml", "Cargo.lock", "LICENSE", ".cargo/config.toml", "src/main.rs"]:
        expect(needed in context, f".containerignore leaves {needed} out")
    for bench in tomllib.loads(text("Cargo.toml"))["bench"]:
        expect(f"benches/{bench['name']}.rs" in context, f".containerignore leaves {bench['name']} out")
    root = pathlib.Path.cwd()
    for source in sorted(context):
        if not source.endswith(".rs") or not pathlib.Path(source).exists():
            continue
        for named in re.findall(r'include_(?:str|bytes)!\("(.*?)"\)', text(source)):
            path = (root / source).parent.joinpath(named).resolve().relative_to(root)
            # What was added just now is not in git yet.
            inside = any(str(path).startswith(k) for k in kept)
            expect(inside, f"{source} includes {path}, which .containerignore leaves out")


versions()
programs_of_the_image()
compose_files()
boards()
drains()
build_context()
for problem in problems:
    print(problem, file=sys.stderr)
sys.exit(bool(problems))
