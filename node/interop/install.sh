#!/usr/bin/env bash
# Installs what the tests in node/interop drive the broker with, each by its own package manager and only where
# it is missing: Debian packages system-wide, everything else under one cache folder outside the source tree.
#
#   node/interop/install.sh
#
# OTTLA_INTEROP_CACHE names that folder; without it, it is ottla-interop in the user's cache folder.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${OTTLA_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ottla-interop}
python=/usr/bin/python3 # the one that sees Debian's python3-* packages

confluent_kafka=2.16.1
kafkajs=2.2.4
kafkajs_snappy=1.1.0

say() { printf 'interop: %s\n' "$*"; }

has() { command -v "$1" >/dev/null 2>&1; }

imports() { "$python" -c "import $1" >/dev/null 2>&1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing_packages() {
	[ -x "$python" ] || echo python3
	imports ensurepip || echo python3-venv
	imports kafka || echo python3-kafka
	imports snappy || echo python3-snappy
	imports lz4 || echo python3-lz4
	imports zstandard || echo python3-zstandard
	imports confluent_kafka || echo python3-confluent-kafka
	has kcat || echo kcat
	has javac || echo default-jdk-headless
	has mvn || echo maven
	has node || echo nodejs
	has npm || echo npm
}

apt_install() {
	export DEBIAN_FRONTEND=noninteractive
	as_root apt-get update -q && as_root apt-get install -q -y --no-install-recommends "$@"
}

install_debian_packages() {
	local packages
	mapfile -t packages < <(missing_packages)
	if [ "${#packages[@]}" = 0 ]; then
		say "Debian packages: all there"
		return
	fi
	if ! has apt-get; then
		say "no apt-get here; please install what stands for: ${packages[*]}"
		return
	fi
	say "Debian packages: ${packages[*]}"
	# Mirrors hiccup: one more try.
	apt_install "${packages[@]}" >"$cache/apt.log" 2>&1 && return
	sleep 5
	apt_install "${packages[@]}" >"$cache/apt.log" 2>&1 && return
	tail -n 30 "$cache/apt.log"
	return 1
}

install_confluent_kafka() {
	local venv=$cache/venv
	local version='import confluent_kafka as c; print(c.__version__)'
	if [ "$("$venv/bin/python" -c "$version" 2>/dev/null)" = "$confluent_kafka" ]; then
		say "confluent-kafka $confluent_kafka: there"
		return
	fi
	say "confluent-kafka $confluent_kafka"
	rm -rf "$venv"
	"$python" -m venv "$venv"
	"$venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: "confluent-kafka==$confluent_kafka"
}

install_kafkajs() {
	local dir=$cache/npm modules=$cache/npm/node_modules
	if grep -qs "\"version\": \"$kafkajs\"" "$modules/kafkajs/package.json" && [ -d "$modules/kafkajs-snappy" ]; then
		say "kafkajs $kafkajs: there"
		return
	fi
	say "kafkajs $kafkajs"
	mkdir -p "$dir"
	npm install --prefix "$dir" --no-audit --no-fund --loglevel=error "kafkajs@$kafkajs" "kafkajs-snappy@$kafkajs_snappy"
}

install_kafka_jars() {
	local dir=$cache/java
	if cmp -s "$here/java/pom.xml" "$dir/pom.xml"; then
		say "Kafka's jars: there"
		return
	fi
	say "Kafka's jars: $(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/java/pom.xml")"
	rm -rf "$dir"
	mvn -q -B -f "$here/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$dir"
	cp "$here/java/pom.xml" "$dir/pom.xml" # says that the copy is complete, and of what
}

mkdir -p "$cache"
say "into $cache"
install_debian_packages
install_confluent_kafka
install_kafkajs
install_kafka_jars
say "done"
