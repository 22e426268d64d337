#!/usr/bin/env bash
# Kafka itself behind ottla's command line, from the jars that install.sh fetched. It holds the tests in this
# folder against the original: what fails here is a mistake in the test.
#
#   OTTLA_INTEROP=1 OTTLA_INTEROP_BINARY=$PWD/node/interop/kafka.sh go test ./node/interop
#
# It understands exactly what the tests say: serve --set listeners=PLAINTEXT://127.0.0.1:PORT --set log.dirs=DIR,
# and further --set key=value that Kafka understands. One of several brokers is told its node.id, its voters and its
# controller's listener; one that is told nothing of these is a cluster of its own.
set -euo pipefail

jars=${OTTLA_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ottla-interop}/java
flags=(-Xmx400m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn)
java=(java "${flags[@]}" -cp "$jars/*")

[ "${1:-}" = serve ] || { echo "usage: kafka.sh serve --set key=value ..." >&2; exit 2; }
shift
settings=()
while [ $# -gt 1 ]; do
	case $2 in
	listeners=*) listeners=${2#*=} ;;
	log.dirs=*) dir=${2#*=} ;;
	controller.quorum.voters=*) voters=${2#*=} ;;
	*) settings+=("$2") ;;
	esac
	shift 2
done

if [ -z "${voters:-}" ]; then
	# The controller listens on a second port, below those that a system hands out by itself.
	port=${listeners##*:}
	controller=127.0.0.1:$((port < 22000 ? port + 10000 : port - 10000))
	voters=1@$controller
	listeners+=,CONTROLLER://$controller
	settings+=(process.roles=broker,controller node.id=1 controller.listener.names=CONTROLLER
		offsets.topic.replication.factor=1 offsets.topic.num.partitions=4)
fi

mkdir -p "$dir"
properties=$dir.properties
cat >"$properties" <<EOF
controller.quorum.voters=$voters
listeners=$listeners
advertised.listeners=${listeners%%,*}
log.dirs=$dir
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
$(printf '%s\n' "${settings[@]}")
EOF
if [ ! -f "$dir/meta.properties" ]; then
	"${java[@]}" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$properties"
fi

# The JVM dies with this script, whichever way that goes, and a clean stop is status 0 as with ottla.
setpriv --pdeathsig KILL "${java[@]}" kafka.Kafka "$properties" &
kafka=$!
trap 'kill -TERM $kafka; wait $kafka || true; exit 0' TERM
wait $kafka
