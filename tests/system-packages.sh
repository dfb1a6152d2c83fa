#!/bin/sh
# Install the system packages that tests want: by apt-get, where we are root. Anywhere
# else those tests are skipped (in CI they fail), so this script never does.

# One "command=package" each.
wanted="chromium=chromium"

missing=""
for pair in $wanted; do
  command -v "${pair%%=*}" >/dev/null 2>&1 || missing="$missing ${pair#*=}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "tests want$missing: please install it; what needs it is skipped" >&2
  exit 0
fi
echo "installing$missing for tests"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # $missing is a list.
{ apt-get update -qq &&
  apt-get install -y -qq -o DPkg::Lock::Timeout=60 \
    --no-install-recommends $missing; } \
  >/dev/null || echo "could not install$missing; what needs it is skipped" >&2
exit 0
