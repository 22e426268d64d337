"""confluent-kafka 2.x: the administration client."""

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from steps import BOOTSTRAP, BROKERS, REPLICAS, STAND_IN, name, ok, until, want, want_error, want_true

TOPIC = name("administered")
GROUP = name("group")
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def result(futures, seconds=15):
    """The answer for the one thing that was asked about."""
    (future,) = futures.values()
    return future.result(seconds)


def code_of(action, what):
    return want_error(KafkaException, action, what).args[0].code()


def create():
    new = NewTopic(TOPIC, num_partitions=3, replication_factor=REPLICAS, config={"retention.ms": "7200000"})
    result(admin.create_topics([new]))
    exists = code_of(lambda: result(admin.create_topics([new])), "a second creation")
    want(exists, KafkaError.TOPIC_ALREADY_EXISTS, "error of a second creation")
    ok("create_topics, with a setting, and again")

    def described():  # not every broker knows the topic at once
        try:
            return [p.id for p in result(admin.describe_topics(TopicCollection([TOPIC]))).partitions]
        except KafkaException:
            return []

    until(lambda: described() == [0, 1, 2], "described partitions")
    cluster = admin.describe_cluster().result(15)
    want(len(cluster.nodes), BROKERS, "nodes of the cluster")
    ok("describe_topics and describe_cluster")

    result(admin.create_partitions([NewPartitions(TOPIC, 4)]))
    ok("create_partitions")


def configs():
    resource = ConfigResource(ResourceType.TOPIC, TOPIC)

    def setting(key):
        return result(admin.describe_configs([resource]))[key]

    want((setting("retention.ms").value, setting("retention.ms").is_default), ("7200000", False), "retention.ms")
    want(setting("max.message.bytes").is_default, True, "max.message.bytes is a default")

    change = ConfigEntry("retention.ms", "60000", incremental_operation=AlterConfigOpType.SET)
    result(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[change])]))
    until(lambda: setting("retention.ms").value == "60000", "retention.ms after SET")
    change = ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)
    result(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[change])]))
    if not STAND_IN:
        until(lambda: setting("retention.ms").is_default, "a default after DELETE")
        want(setting("retention.ms").value, "604800000", "retention.ms after DELETE")
        bad = ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)
        bad = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[bad])
        code = code_of(lambda: result(admin.incremental_alter_configs([bad])), "a value that is no number")
        want(code, KafkaError.INVALID_CONFIG, "error of a bad value")
    ok("describe_configs and incremental_alter_configs")


def offsets():
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for i in range(20):
        producer.produce(TOPIC, b"%d" % i, partition=0)
    want(producer.flush(15), 0, "messages left after flush")
    zero = TopicPartition(TOPIC, 0)

    def listed(spec):
        return result(admin.list_offsets({zero: spec})).offset

    want((listed(OffsetSpec.earliest()), listed(OffsetSpec.latest())), (0, 20), "earliest and latest offsets")
    want(listed(OffsetSpec.for_timestamp(0)), 0, "offset by timestamp 0")
    if not STAND_IN:
        want(listed(OffsetSpec.max_timestamp()) in range(20), True, "offset of the largest timestamp")

    deleted = result(admin.delete_records([TopicPartition(TOPIC, 0, 8)]))
    want(deleted.low_watermark, 8, "low watermark after delete_records")
    want((listed(OffsetSpec.earliest()), listed(OffsetSpec.latest())), (8, 20), "offsets after delete_records")
    beyond = lambda: result(admin.delete_records([TopicPartition(TOPIC, 0, 21)]))
    want(code_of(beyond, "deleting past the end"), KafkaError.OFFSET_OUT_OF_RANGE, "error of deleting past the end")

    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    message = until(lambda: consumer.poll(0.2), "a message")
    want((message.error(), message.offset()), (None, 8), "first message after delete_records")
    consumer.close()
    ok("list_offsets and delete_records")


def groups():
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "client.id": "watched"})
    consumer.subscribe([TOPIC])
    until(lambda: consumer.poll(0.1) or consumer.assignment(), "an assignment")

    listed = admin.list_consumer_groups().result(15)
    want_true(GROUP in [g.group_id for g in listed.valid], "list_consumer_groups")
    listed = admin.list_consumer_groups(states={ConsumerGroupState.STABLE}).result(15)
    want_true(GROUP in [g.group_id for g in listed.valid], "list_consumer_groups of state Stable")
    listed = admin.list_consumer_groups(states={ConsumerGroupState.EMPTY}).result(15)
    want_true(GROUP not in [g.group_id for g in listed.valid], "list_consumer_groups of state Empty")

    description = result(admin.describe_consumer_groups([GROUP]))
    want(description.state, ConsumerGroupState.STABLE, "state of a group with a member")
    want([m.client_id for m in description.members], ["watched"], "members")
    want(len(description.members[0].assignment.topic_partitions), 4, "partitions of the only member")
    busy = code_of(lambda: result(admin.delete_consumer_groups([GROUP])), "deleting a group with a member")
    want(busy, KafkaError.NON_EMPTY_GROUP, "error of deleting a group with a member")
    consumer.close()
    ok("list and describe consumer groups")

    request = ConsumerGroupTopicPartitions(GROUP, [TopicPartition(TOPIC, 0, 11)])
    result(admin.alter_consumer_group_offsets([request]))
    got = result(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP)]))
    want([(p.partition, p.offset) for p in got.topic_partitions if p.offset >= 0], [(0, 11)], "altered offset")
    ok("alter and list consumer group offsets")

    result(admin.delete_consumer_groups([GROUP]))
    listed = admin.list_consumer_groups().result(15)
    want_true(GROUP not in [g.group_id for g in listed.valid], "a deleted group is not listed")
    ok("delete_consumer_groups")


def delete():
    result(admin.delete_topics([TOPIC]))
    until(lambda: TOPIC not in admin.list_topics(timeout=10).topics, "the deleted topic is gone")
    ok("delete_topics")


create()
configs()
offsets()
groups()
delete()
