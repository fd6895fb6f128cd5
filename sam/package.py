"""Packs what `cargo lambda build` has built for an architecture into a folder that `sam deploy` needs nothing but itself for.

    package.py <arm64|x86_64> <folder with the binaries> <version> <dist folder> [<URL of the source code>]

The same binaries give the same bytes: the files in an archive have no time and no owner, and are sorted.
"""

import gzip
import hashlib
import io
import pathlib
import re
import sys
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The first that a zip can have.
TIME = (1980, 1, 1, 0, 0, 0)
SERVERLESS_REPO = """\
Metadata:
  AWS::ServerlessRepo::Application:
    Name: cloudfront-deploy-hook
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

CloudFront invalidations as part of deployments by AWS CodeDeploy and Amazon ECS. This folder has all that a deployment needs: the
template, the state machine, the functions (`*.zip`), and lists of what is in them (`*.cdx.json`, CycloneDX).

```console
$ sha256sum --check SHA256SUMS
$ sam deploy --stack-name invalidate --parameter-overrides DistributionIds=E2QWRUHAPOMQZL
```

You need the SAM CLI and AWS credentials, and no compiler. Without the SAM CLI:

```console
$ aws cloudformation package --template-file template.yaml --s3-bucket <bucket> --output-template-file packaged.yaml
$ aws cloudformation deploy --template-file packaged.yaml --stack-name invalidate --capabilities CAPABILITY_IAM \\
      CAPABILITY_AUTO_EXPAND --s3-bucket <bucket> --parameter-overrides DistributionIds=E2QWRUHAPOMQZL
```

The outputs of the stack say what to paste into an appspec or an Amazon ECS service. The documentation is in the folder `docs` of the
source code{where}.
"""


def zipped(binary):
    """As Lambda expects it: an executable called bootstrap."""
    content = io.BytesIO()
    entry = zipfile.ZipInfo("bootstrap", TIME)
    entry.external_attr = 0o100755 << 16
    entry.create_system = 3  # Unix
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(entry, binary, zipfile.ZIP_DEFLATED, compresslevel=9)
    return content.getvalue()


def template(architecture, version, url):
    text = (ROOT / "sam/template.yaml").read_text()
    functions = re.findall(r"CodeUri: \.\./functions/(\S+)", text)
    text = re.sub(r"CodeUri: \.\./functions/(\S+)", r"CodeUri: \1.zip", text)
    text = text.replace("../statemachine/invalidate.asl.json", "invalidate.asl.json")
    text = re.sub(r" +BuildMethod: .*\n", "", text)
    text, count = re.subn(r"( +)# `sam build`.*\n +Architectures: .*\n", rf"\g<1>Architectures: [{architecture}]\n", text)
    assert count == 1, "the template's Architectures are not where they were"
    source = f"    SourceCodeUrl: {url}\n    HomePageUrl: {url}" if url else ""
    return functions, text.replace("Metadata:\n", SERVERLESS_REPO.format(version=version, source=source), 1)


def tar(folder):
    """As a folder, compressed."""
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as compressed, tarfile.open(fileobj=compressed, mode="w") as archive:
        for file in sorted(folder.iterdir()):
            entry = tarfile.TarInfo(f"{folder.name}/{file.name}")
            entry.size, entry.mode = file.stat().st_size, 0o644
            archive.addfile(entry, io.BytesIO(file.read_bytes()))
    return content.getvalue()


def checksums(files):
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(files))


def main(architecture, binaries, version, dist, url=""):
    folder = pathlib.Path(dist) / f"cloudfront-deploy-hook-{version}-{architecture}"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    functions, text = template(architecture, version, url)
    for function in functions:
        binary = pathlib.Path(binaries) / function / "bootstrap"
        (folder / f"{function}.zip").write_bytes(zipped(binary.read_bytes()))
        # cargo cyclonedx writes it there, with the path of this folder in it.
        contents = (ROOT / f"functions/{function}/{function}_bin.cdx.json").read_text()
        (folder / f"{function}.cdx.json").write_text(contents.replace(ROOT.as_uri(), "file:///source"))
    (folder / "template.yaml").write_text(text)
    where = f" ({url})" if url else ""
    (folder / "README.md").write_text(README.format(version=version, architecture=architecture, where=where))
    for source in ("statemachine/invalidate.asl.json", "sam/samconfig.toml", "LICENSE", "CHANGELOG.md"):
        (folder / pathlib.Path(source).name).write_bytes((ROOT / source).read_bytes())
    (folder / "SHA256SUMS").write_text(checksums(folder.iterdir()))
    archive = folder.with_name(f"{folder.name}.tar.gz")
    archive.write_bytes(tar(folder))
    folder.with_name(f"{archive.name}.sha256").write_text(checksums([archive]))
    print(folder)


main(*sys.argv[1:])
