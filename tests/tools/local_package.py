"""Makes the folder that the demo and the tests deploy: a package without the documentation, the lists of contents and the checksums.

    local_package.py <arm64|x86_64> <version> <folder with the binaries> <new folder>
"""

import pathlib
import sys

sys.path.insert(0, "sam")

import package

architecture, version, binaries, folder = sys.argv[1:]
# Quickly: debug builds are large.
package.deployable(pathlib.Path(folder), architecture, version, pathlib.Path(binaries), level=1)
