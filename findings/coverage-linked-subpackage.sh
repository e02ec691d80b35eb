#!/bin/sh
# coverage.py measures a file where it really is. `--source=PACKAGE` leaves out each subpackage that is a link to a folder
# outside, although it is imported as PACKAGE.SUBPACKAGE: its lines count as none at all, and the total looks better.
#
# Seen: lines of the report that name the linked part: 0 with --source=package, 1 with --source=package,linked
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check coverage==7.17.5
mkdir "$folder/package" "$folder/linked"
ln -s ../linked "$folder/package/linked"
: > "$folder/package/__init__.py"
: > "$folder/linked/__init__.py"
printf 'def never():\n    return 1\n' > "$folder/linked/part.py"
printf 'import package.linked.part\n' > "$folder/main.py"
cd "$folder"
"$folder/venv/bin/python" -c 'import coverage; print("coverage", coverage.__version__)'

lines() {  # of the linked part, as the report with this --source has them
    "$folder/venv/bin/coverage" run --data-file="$folder/$2" --source="$1" main.py
    { "$folder/venv/bin/coverage" report --data-file="$folder/$2" || true; } | grep -c 'part\.py' || true
}
by_package=$(lines package one)
by_folders=$(lines package,linked two)
echo "lines of the report that name the linked part: $by_package with --source=package, $by_folders with --source=package,linked"
[ "$by_package" = 0 ] && [ "$by_folders" = 1 ]
