"""Makes the folder that the demo and the tests deploy, as `make package` makes that of a release, without what only people read.

    local_package.py <arm64|x86_64> <version> <folder with the binaries> <folder>
"""

import pathlib
import sys

sys.path.insert(0, "sam")

import package

architecture, version, binaries, folder = sys.argv[1:]
# Quickly: debug builds are large.
package.deployable(pathlib.Path(folder), architecture, version, pathlib.Path(binaries), level=1)
