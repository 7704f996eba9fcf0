#!/bin/sh
# Sets up everything PrintFarm needs in .venv, from PyPI: `tools/setup.sh farm` to run it, `tools/setup.sh dev` to work on it.
# Needs Python 3.11 or newer. Safe to run again; does nothing when the lock file has not changed.
set -eu
cd "$(dirname "$0")/.."
kind=$1
lock=requirements-$kind.lock
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "PrintFarm needs Python 3.11 or newer; $("$python" --version) is too old. Set PYTHON to a newer one." >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@" 2>/dev/null; fi
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    as_root env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends $*" >/dev/null
}

if [ ! -x .venv/bin/uv ]; then
    if ! "$python" -m venv .venv 2>/dev/null; then
        # Debian keeps ensurepip in a package of its own.
        rm -rf .venv
        echo "setup: installing python3-venv" >&2
        apt_install python3-venv || {
            echo "Python cannot make virtual environments here. Install it with: sudo apt-get install python3-venv" >&2
            exit 1
        }
        "$python" -m venv .venv
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
fi

stamp=.venv/.$kind-installed
if ! cmp -s "$lock" "$stamp"; then
    echo "setup: installing $kind dependencies" >&2
    .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes --compile-bytecode -r "$lock"
    # The two sets share pins, so installing one never breaks the other.
    cp "$lock" "$stamp"
fi

if [ ! -f .cache/micropython-lib/umqtt/robust.py ]; then
    mkdir -p .cache/micropython-lib
    .venv/bin/pipkin -d .cache/micropython-lib install --no-mp-org pycopy-umqtt.robust >.cache/pipkin.log 2>&1 || {
        cat .cache/pipkin.log >&2
        exit 1
    }
fi

if [ "$kind" = dev ] && ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then
    echo "setup: installing Chromium for the browser tests" >&2
    apt_install chromium ||
        echo "setup: Chromium is missing and cannot be installed here; browser tests will be SKIPPED (sudo apt-get install chromium)" >&2
fi
