"""Packs what `cargo zigbuild` has built for an architecture into a folder that `sam deploy` needs nothing but itself for.

    package.py <arm64|x86_64> <target> <folder with the binaries> <version> <dist folder> [<URL of the source code>]

The same binaries give the same bytes: the files in an archive have no time and no owner, and are sorted.
"""

import gzip
import hashlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPIED = ("sam/samconfig.toml", "sam/verify.py", "LICENSE", "CHANGELOG.md")
# The first that a zip can have.
TIME = (1980, 1, 1, 0, 0, 0)
# Each version of an application in the AWS Serverless Application Repository has one architecture.
REPOSITORY_NAMES = {"arm64": "cloudfront-deploy-hook", "x86_64": "cloudfront-deploy-hook-x86-64"}
SERVERLESS_REPO = """\
Metadata:
  AWS::ServerlessRepo::Application:
    Name: {name}
    Description: >-
      Creates CloudFront invalidations in the hooks of CodeDeploy and Amazon ECS deployments, waits until they are completed, and
      reports the status to the deployment.
    Author: cloudfront-deploy-hook
    SpdxLicenseId: Apache-2.0
    LicenseUrl: LICENSE
    ReadmeUrl: README.md
    Labels: [cloudfront, invalidation, codedeploy, ecs, deployment, blue-green]
    SemanticVersion: {version}
{source}
"""
README = """\
# cloudfront-deploy-hook {version}, for {architecture}

CloudFront invalidations as part of deployments by AWS CodeDeploy and Amazon ECS. This folder has all that a deployment needs; you need
the SAM CLI and AWS credentials, and no compiler.

```console
$ sha256sum --check SHA256SUMS
$ sam deploy --stack-name invalidate --region eu-central-1 --parameter-overrides DistributionIds=E2QWRUHAPOMQZL 'Paths=/*' \\
      OnInvalidationFailure=ContinueDeployment OnInvalidationTimeout=ContinueDeployment \\
      CodeDeployApplication=shop AlarmTopicArn=arn:aws:sns:eu-central-1:111122223333:on-call
$ AWS_REGION=eu-central-1 python3 verify.py invalidate
```

Leave out what you don't have; without CodeDeploy, write `CodeDeployApplication=none`: without a name, the rollbacks of every application
in the account and region start an invalidation. `verify.py` checks the stack, and needs boto3; it invalidates an unused path and stops
one execution, so `ExecutionsAbortedAlarm` fires. To update a stack, deploy a newer package with the same name and region; what a release
changes is in [CHANGELOG.md](CHANGELOG.md). Without the SAM CLI:

```console
$ aws cloudformation package --template-file template.yaml --s3-bucket <bucket> --output-template-file packaged.yaml
$ aws cloudformation deploy --template-file packaged.yaml --stack-name invalidate --s3-bucket <bucket> \\
      --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --parameter-overrides DistributionIds=E2QWRUHAPOMQZL …
```

[docs](docs) is the documentation: [parameters, alarms](docs/CONFIGURATION.md), [wiring](docs/wiring/README.md),
[troubleshooting](docs/TROUBLESHOOTING.md). `*.cdx.json` list what is in each function (CycloneDX), and `THIRD-PARTY.txt` and
`COPYRIGHT-rust.html` have the licenses. The source code{where}.
"""


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, cwd=ROOT, text=True).stdout


def zipped(binary, level):
    """As Lambda expects it: an executable called bootstrap."""
    content = io.BytesIO()
    entry = zipfile.ZipInfo("bootstrap", TIME)
    entry.external_attr = 0o100755 << 16
    entry.create_system = 3  # Unix
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(entry, binary, zipfile.ZIP_DEFLATED, level)
    return content.getvalue()


def template(architecture, version, url):
    """The names of the functions, and the template with their zips beside it."""
    text = (ROOT / "sam/template.yaml").read_text()
    functions = re.findall(r"CodeUri: \.\./functions/(\S+)", text)
    text = re.sub(r"CodeUri: \.\./functions/(\S+)", r"CodeUri: \1.zip", text)
    # In the template: the AWS Serverless Application Repository leaves a file of it where other accounts cannot read it.
    # https://github.com/aws/serverless-application-model/issues/2000
    definition = textwrap.indent((ROOT / "statemachine/invalidate.asl.json").read_text(), " " * 8)
    uri = "DefinitionUri: ../statemachine/invalidate.asl.json\n"
    assert uri in text, "the template's DefinitionUri is not where it was"
    text = text.replace(uri, f"Definition:\n{definition}")
    text = re.sub(r" +BuildMethod: .*\n", "", text)
    text, count = re.subn(r"( +)# `sam build`.*\n +Architectures: .*\n", rf"\g<1>Architectures: [{architecture}]\n", text)
    assert count == 1, "the template's Architectures are not where they were"
    if url:
        # Alarms and causes are read where no file is.
        text = re.sub(r"\bdocs/(?=[A-Z]+\.md)", f"{url}/blob/v{version}/docs/", text)
    source = f"    SourceCodeUrl: {url}\n    HomePageUrl: {url}" if url else ""
    metadata = SERVERLESS_REPO.format(name=REPOSITORY_NAMES[architecture], version=version, source=source)
    return functions, text.replace("Metadata:\n", metadata, 1)


def contents(function, target):
    """What `cargo cyclonedx` says is in a function: it writes that beside the crate, with the path of this folder in it."""
    text = (ROOT / f"functions/{function}/{function}_bin.cdx.json").read_text()
    found = json.loads(text)["metadata"]["properties"][0]["value"]
    assert found == target, f"the contents of {function} are for {found}"
    return text.replace(ROOT.as_uri(), "file:///source")


def licenses(all_contents):
    """The license files of all crates in the functions, each text once."""
    packages = json.loads(output_of("cargo", "metadata", "--format-version=1", "--locked"))["packages"]
    folders = {(package["name"], package["version"]): pathlib.Path(package["manifest_path"]).parent for package in packages}
    components = (component for text in all_contents for component in json.loads(text)["components"])
    crates = sorted({(component["name"], component["version"]) for component in components})
    by_text = {}
    for crate in crates:
        files = sorted(file for file in folders[crate].iterdir() if re.match("(?i)(licen[cs]e|copying|notice|copyright)", file.name))
        for file in files:
            if file.is_file():
                by_text.setdefault(file.read_text().strip(), []).append(" ".join(crate))
    return "\n\n".join(f"{'=' * 80}\n{', '.join(dict.fromkeys(names))}\n{'=' * 80}\n\n{text}" for text, names in by_text.items()) + "\n"


def linked(file, folder, url):
    """A page whose links to what is not in the folder go to the source code instead, or are plain text without its URL."""

    def absolute(link):
        text, target, anchor = link.groups("")
        path = (file.parent / target).resolve()
        # The folder has another README.
        if path.exists() and path != folder.resolve() / "README.md":
            return link[0]
        return f"[{text}]({url}/{path.relative_to(folder.resolve())}{anchor})" if url else text

    return re.sub(r"\[([^\]]+)\]\((\.[^)#]*)(#[^)]*)?\)", absolute, file.read_text())


def files(folder):
    return sorted(file for file in folder.rglob("*") if file.is_file())


def tar(folder):
    """As a folder, compressed."""
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as compressed, tarfile.open(fileobj=compressed, mode="w") as archive:
        for file in files(folder):
            entry = tarfile.TarInfo(file.relative_to(folder.parent).as_posix())
            entry.size, entry.mode = file.stat().st_size, 0o644
            archive.addfile(entry, io.BytesIO(file.read_bytes()))
    return content.getvalue()


def checksums(paths, folder):
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n" for path in paths)


def deployable(folder, architecture, version, binaries, url="", level=9):
    """Makes a folder that `sam deploy` can deploy; returns the names of the functions."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    functions, text = template(architecture, version, url)
    (folder / "template.yaml").write_text(text)
    for function in functions:
        (folder / f"{function}.zip").write_bytes(zipped((binaries / function).read_bytes(), level))
    where = f" is at {url}" if url else " is in the clone that this was made from"
    (folder / "README.md").write_text(README.format(version=version, architecture=architecture, where=where))
    for source in COPIED:
        shutil.copyfile(ROOT / source, folder / pathlib.Path(source).name)
    return functions


def main(architecture, target, binaries, version, dist, url=""):
    folder = pathlib.Path(dist) / f"cloudfront-deploy-hook-{version}-{architecture}"
    functions = deployable(folder, architecture, version, pathlib.Path(binaries), url)
    all_contents = {function: contents(function, target) for function in functions}
    for function in functions:
        (folder / f"{function}.cdx.json").write_text(all_contents[function])
    (folder / "THIRD-PARTY.txt").write_text(licenses(all_contents.values()))
    rust = pathlib.Path(output_of("rustc", "--print", "sysroot").strip()) / "share/doc/rust/COPYRIGHT-library.html"
    shutil.copyfile(rust, folder / "COPYRIGHT-rust.html")
    shutil.copytree(ROOT / "docs", folder / "docs")
    source = f"{url}/blob/v{version}" if url else ""
    for page in (folder / "docs").rglob("*.md"):
        page.write_text(linked(page, folder, source))
    (folder / "SHA256SUMS").write_text(checksums(files(folder), folder))
    archive = folder.with_name(f"{folder.name}.tar.gz")
    archive.write_bytes(tar(folder))
    archive.with_name(f"{archive.name}.sha256").write_text(checksums([archive], archive.parent))
    print(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
