#!/bin/sh
# Makes .venv from requirements.lock and installs the project into it, editable.  `make` runs this when it is needed.
# An interpreter is found and checked before anything is touched.  The stamp is removed first and written last: an
# interrupted set-up leaves none, and the next run then starts .venv afresh.
set -eu

venv=.venv
stamp=$venv/.installed
version_check='import sys; sys.exit(sys.version_info < (3, 12))'

has() { command -v "$1" >/dev/null 2>&1; }

python=
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12; do
  if "$candidate" -c "$version_check" >/dev/null 2>&1; then python=$candidate; break; fi
done
if [ -z "$python" ] && has uv; then python=$(uv python find --no-python-downloads '>=3.12' 2>/dev/null) || python=; fi

if [ -z "$python" ]; then
  found=$(python3 --version 2>&1) || found='no working python3'
  {
    echo "bigpush-est needs Python 3.12 or newer; this machine offers: $found."
    echo "Nothing was changed. Install Python 3.12 in one of these ways, then run make again:"
    echo "  uv python install 3.12"
    echo "  pyenv install 3.12"
    echo "  apt install python3.12 python3.12-venv    (where the distribution has them)"
    echo "An interpreter that is not called python3 is named so: make PYTHON=/its/path ..."
  } >&2
  exit 1
fi
# Behind a shim or an activated .venv (which may be cleared below) stands the interpreter that is meant.
python=$("$python" -c 'import sys; print(sys._base_executable)')
if ! has uv && ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
  echo "$python has no venv module. Nothing was changed. Install it (apt install python3-venv) or install uv." >&2
  exit 1
fi

fresh=yes
if [ -e "$stamp" ] && "$venv/bin/python" -c "$version_check" >/dev/null 2>&1; then fresh=no; fi
rm -f "$stamp"

if has uv; then
  if [ "$fresh" = yes ]; then uv venv --quiet --clear --python "$python" "$venv"; fi
  # Compiled once here: without byte code every later start of PyMC would compile it again.
  uv pip sync --quiet --python "$venv/bin/python" --require-hashes --compile-bytecode requirements.lock
  uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
else
  # An environment that uv made holds no pip.
  if [ "$fresh" = no ] && ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then fresh=yes; fi
  if [ "$fresh" = yes ]; then "$python" -m venv --clear "$venv"; fi
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
fi

touch "$stamp"
