#!/bin/sh
# Makes sure that a Chromium and fonts for Chinese, Japanese and Korean are there: on Debian and
# Ubuntu by installing what is missing, elsewhere by saying what to install.
set -eu

missing=""
if [ -z "${LIMELIGHT_CHROMIUM:-}" ]; then
  found=""
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then found=$name; break; fi
  done
  if [ -z "$found" ] && [ ! -d "/Applications/Google Chrome.app" ]; then missing="chromium"; fi
fi

# macOS brings such fonts itself.
if [ "$(uname -s)" = Linux ]; then
  if ! find /usr/share/fonts /usr/local/share/fonts "${HOME:-/nowhere}/.local/share/fonts" "${HOME:-/nowhere}/.fonts" \
      -iname '*cjk*' 2>/dev/null | grep -q .; then
    missing="$missing fonts-noto-cjk"
  fi
fi

[ -z "$missing" ] && exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root="sudo"; else as_root="no"; fi
fi

if ! command -v apt-get >/dev/null 2>&1 || [ "$as_root" = no ]; then
  echo "The browser tests need:$(printf ' %s' $missing)." >&2
  echo "On Debian and Ubuntu: sudo apt-get install$(printf ' %s' $missing)" >&2
  echo "Elsewhere: install Chromium or Chrome (or set LIMELIGHT_CHROMIUM to its program) and a font with Chinese characters." >&2
  exit 1
fi

echo "Installing$(printf ' %s' $missing) for the browser tests …"
$as_root env DEBIAN_FRONTEND=noninteractive sh -c '
  apt-get update -qq || true; apt-get install -y -qq --no-install-recommends "$@" >/dev/null' sh $missing
