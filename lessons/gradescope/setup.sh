#!/usr/bin/env bash
# Gradescope runs this once, when the autograder is made. Everything is in the one static binary beside it.
set -euo pipefail
chmod +x /autograder/source/ringside
/autograder/source/ringside --version
