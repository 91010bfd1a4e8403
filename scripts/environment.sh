#!/bin/sh
# Make .venv with everything the project needs: by uv from the lock file, or by pip with the oldest allowed versions as bounds.
set -eu

if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
    # The pinned Python where there is one, else any that will do.
    uv sync --locked --quiet || uv sync --locked --quiet --python '>=3.12'
    exit 0
fi

for python in python3.13 python3.12 python3 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; then
        "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
        .venv/bin/python -m pip install --quiet --editable . --group dev
        exit 0
    fi
done
echo "jmimpute needs Python 3.12 or later; none was found (looked for python3.13, python3.12, python3, python)." >&2
exit 1
