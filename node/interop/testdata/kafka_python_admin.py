"""kafka-python: topics and their settings by KafkaAdminClient."""

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import (
    InvalidPartitionsError,
    InvalidTopicError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from steps import BOOTSTRAP, BROKERS, REPLICAS, STAND_IN, name, ok, until, want, want_error, want_true

TOPIC = name("six")

# Every topic setting of Kafka 4.x, which is the list that the old tutorials print less the two settings of the
# record formats that are gone, plus what came since.
SETTINGS = """
cleanup.policy compression.gzip.level compression.lz4.level compression.type compression.zstd.level
delete.retention.ms file.delete.delay.ms flush.messages flush.ms follower.replication.throttled.replicas
index.interval.bytes leader.replication.throttled.replicas local.retention.bytes local.retention.ms
max.compaction.lag.ms max.message.bytes message.timestamp.after.max.ms message.timestamp.before.max.ms
message.timestamp.type min.cleanable.dirty.ratio min.compaction.lag.ms min.insync.replicas preallocate
remote.log.copy.disable remote.log.delete.on.disable remote.storage.enable retention.bytes retention.ms
segment.bytes segment.index.bytes segment.jitter.ms segment.ms unclean.leader.election.enable
""".split()

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)


def create():
    admin.create_topics([NewTopic(name=TOPIC, num_partitions=6, replication_factor=REPLICAS)])
    until(lambda: consumer.partitions_for_topic(TOPIC) == set(range(6)), "partitions of a new topic")
    ok("create_topics with 6 partitions")

    again = [NewTopic(name=TOPIC, num_partitions=6, replication_factor=REPLICAS)]
    want_error(TopicAlreadyExistsError, lambda: admin.create_topics(again), "a second creation")
    ok("TopicAlreadyExistsError")

    if not STAND_IN:
        bad = [NewTopic(name="no spaces please", num_partitions=1, replication_factor=REPLICAS)]
        want_error(InvalidTopicError, lambda: admin.create_topics(bad), "a topic with a bad name")
        ok("a bad name is refused")
    bad = [NewTopic(name=name("none"), num_partitions=0, replication_factor=REPLICAS)]
    want_error(InvalidPartitionsError, lambda: admin.create_topics(bad), "a topic with no partitions")
    ok("a bad partition count is refused")

    checked = NewTopic(name=name("checked-only"), num_partitions=1, replication_factor=REPLICAS)
    admin.create_topics([checked], validate_only=True)
    want_true(checked.name not in consumer.topics(), "validate_only creates nothing")
    ok("validate_only")


def describe_configs():
    configured = name("configured")
    settings = {"retention.ms": "3600000", "segment.bytes": "2097152"}
    admin.create_topics([NewTopic(configured, 1, REPLICAS, topic_configs=settings)])
    want(topic_settings(configured)["retention.ms"], "3600000", "retention.ms given at creation")
    want(topic_settings(configured)["segment.bytes"], "2097152", "segment.bytes given at creation")

    found = topic_settings(TOPIC)
    want(found["max.message.bytes"], "1048588", "default max.message.bytes")
    if not STAND_IN:
        want([key for key in SETTINGS if key not in found], [], "settings that Kafka lists and this server does not")
        want(found["retention.ms"], "604800000", "default retention.ms")
        want(found["segment.bytes"], "1073741824", "default segment.bytes")
        want(found["message.timestamp.type"], "CreateTime", "default message.timestamp.type")
    ok("describe_configs of a topic: %d settings" % len(found))

    resource = ConfigResource(ConfigResourceType.TOPIC, TOPIC, configs={"retention.ms": "60000"})
    admin.alter_configs([resource])
    until(lambda: topic_settings(TOPIC)["retention.ms"] == "60000", "altered retention.ms")
    ok("alter_configs of a topic")

    broker = admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, str(broker_id()))])
    entries = {entry[0]: entry[1] for entry in broker[0].resources[0][4]}
    want_true(len(entries) > 3, "a broker lists its settings")
    ok("describe_configs of a broker: %d settings" % len(entries))


def topic_settings(topic):
    """The settings of a topic as a dict; an entry starts with its key and value."""
    responses = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    error, message, _, _, entries = responses[0].resources[0]
    want((error, message or ""), (0, ""), "describe_configs of %s" % topic)
    return {entry[0]: entry[1] for entry in entries}


def broker_id():
    return admin.describe_cluster()["brokers"][0]["node_id"]


def grow():
    admin.create_partitions({TOPIC: NewPartitions(total_count=8)})

    def grown():
        fresh = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
        try:
            return fresh.partitions_for_topic(TOPIC) == set(range(8))
        finally:
            fresh.close()

    until(grown, "8 partitions")
    fewer = {TOPIC: NewPartitions(total_count=2)}
    want_error(InvalidPartitionsError, lambda: admin.create_partitions(fewer), "fewer partitions")
    ok("create_partitions, and fewer are refused")


def delete():
    admin.delete_topics([TOPIC], timeout_ms=5000)
    until(lambda: TOPIC not in consumer.topics(), "the deleted topic is gone")
    unknown = lambda: admin.delete_topics([TOPIC], timeout_ms=5000)
    want_error(UnknownTopicOrPartitionError, unknown, "a second deletion")
    ok("delete_topics")

    # The same name again is another topic: nothing of the old one may shine through.
    admin.create_topics([NewTopic(name=TOPIC, num_partitions=2, replication_factor=REPLICAS)])
    again = lambda: KafkaConsumer(bootstrap_servers=BOOTSTRAP).partitions_for_topic(TOPIC) == {0, 1}
    until(again, "the new topic's partitions")
    if not STAND_IN:
        want(topic_settings(TOPIC)["retention.ms"], "604800000", "the new topic's retention.ms")
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    want(producer.send(TOPIC, b"first", partition=0).get(timeout=10).offset, 0, "the new topic's first offset")
    ok("a topic created again under a deleted name starts afresh")


def describe():
    cluster = admin.describe_cluster()
    want_true(cluster["cluster_id"], "a cluster id")
    want(len(cluster["brokers"]), BROKERS, "number of brokers")
    (topic,) = admin.describe_topics([TOPIC])
    want((topic["error_code"], len(topic["partitions"])), (0, 2), "describe_topics")
    want_true(TOPIC in admin.list_topics(), "list_topics lists the topic")
    ok("describe_cluster, describe_topics and list_topics")


create()
describe_configs()
grow()
delete()
describe()
