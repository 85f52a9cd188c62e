#!/bin/sh
# What the hub needs from the machine and pip can't bring: Java 17 and Maven (Apache Kafka), Chromium (browser tests).
# Installs what is missing as root where apt-get is; otherwise says what to install, and lets the rest go on.
set -u
missing=""
[ -n "${HUB_KAFKA:-}" ] || command -v java >/dev/null 2>&1 || missing="$missing openjdk-17-jre-headless"
[ -n "${HUB_KAFKA:-}" ] || command -v mvn >/dev/null 2>&1 || missing="$missing maven"
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
  command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing:$missing"
  apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  exit $?
fi
echo "please install:$missing (as root on Debian, make does it)" >&2
